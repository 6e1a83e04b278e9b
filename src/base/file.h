// file.h - a checkpoint's file: mapped for callers who want to look into it, read by calls for
// all that the library does itself. The only unit that knows the operating system: another one
// needs its own file.c and nothing else.
//
// A mapped page of a file that was cut short since, or that a network file system cannot
// deliver, is a signal (SIGBUS), which a library must not catch; a read that comes to nothing is
// an error. So nothing in here touches a mapping.
#ifndef VKMOE_FILE_H
#define VKMOE_FILE_H

#include "vkmoe/vkmoe.h"

struct vkmoe_file;

// Copies what a file that others make up has at byte `offset`. Any thread.
typedef enum vkmoe_status file_read(
    void *user, const struct vkmoe_log *log, uint64_t offset, void *to, uint64_t size);

// The order of the columns of the matrix whose row begins at byte `offset` of such a file: column i
// as it is stored is column order[i]. NULL: they are stored as they are; *columns is 0 where no row
// begins, else how many there are. Any thread.
typedef const uint32_t *file_order(void *user, uint64_t offset, uint64_t *columns);

// The name of the matrix that has byte `offset` of such a file. Any thread.
typedef const char *file_matrix(void *user, uint64_t offset);

struct vkmoe_file {
    int descriptor;
    const uint8_t *data; // the file, mapped; page-aligned
    uint64_t size;       // when it was opened, at least 1
    file_read *read;     // NULL: it is one of the operating system's
    file_order *order;   // NULL: all columns are stored as they are
    file_matrix *matrix; // of a file with an `order`
    void *user;          // of these three
    char path[];
};

// Opens and maps a regular file. NOT_FOUND if there is none, INVALID if it is empty or no file.
enum vkmoe_status vkmoe_file_open(
    const char *path, const struct vkmoe_log *log, struct vkmoe_file **out);

// A file that there is nowhere: `read` makes what is asked for. Its `data` are addresses that
// nothing is at.
enum vkmoe_status vkmoe_file_make(const char *path, uint64_t size, file_read *read, void *user,
    const struct vkmoe_log *log, struct vkmoe_file **out);

// Accepts a file that is NULL, and leaves one.
void vkmoe_file_close(struct vkmoe_file **file);

// Copies `size` bytes from `at` on, an address in the mapping. INVALID, with one line, if the
// range is not in it, if the file has it no longer, or if it cannot be read. Any thread.
enum vkmoe_status vkmoe_file_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    const void *at, void *to, uint64_t size);

#endif
