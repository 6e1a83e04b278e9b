// options.c - a command's options, as getopt_long() reads them and as its help shows them.
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_OPTIONS = 24,
    FIRST_LONG = 256, // getopt's values of options: beyond all letters
};

static void print_help(const struct cli_usage *usage)
{
    printf("usage: vkmoe %s", usage->command);
    if (usage->operand)
        printf(usage->may_lack_operand ? " [%s]" : " %s", usage->operand);
    if (usage->second)
        printf(" %s", usage->second);
    bool optional = false;
    for (uint32_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        if (option->required)
            printf(" --%s %s", option->name, option->value);
        else
            optional = true;
    }
    printf("%s\n\n%s\noptions:\n", optional ? " [OPTION]..." : "", usage->about);
    struct cli_table table = { .columns = "ll" };
    for (uint32_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        cli_table_add(&table, CLI_PLAIN, "--%s%s%s", option->name, option->value ? " " : "",
            option->value ? option->value : "");
        cli_table_add(&table, CLI_PLAIN, "%s", option->help);
    }
    cli_table_add(&table, CLI_PLAIN, "-h, --help");
    cli_table_add(&table, CLI_PLAIN, "print this");
    cli_table_print(&table, 2);
}

bool cli_parse_number(const char *text, uint32_t *out)
{
    for (const char *c = text; *c; c++) {
        if (!isdigit((unsigned char)*c))
            return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    *out = (uint32_t)value;
    return *text && !errno && value <= UINT32_MAX;
}

static bool parse_block(const char *text, struct vkmoe_block *out)
{
    static const char prefix[] = "decoder.";
    out->part =
        strncmp(text, prefix, sizeof prefix - 1) == 0 ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS;
    return cli_parse_number(
        text + (out->part != VKMOE_PART_BLOCKS ? sizeof prefix - 1 : 0), &out->index);
}

struct cli_label cli_block_label(struct vkmoe_block block)
{
    struct cli_label label;
    snprintf(label.text, sizeof label.text, "%s%u",
        block.part != VKMOE_PART_BLOCKS ? "decoder." : "", block.index);
    return label;
}

static int set_option(
    const struct cli_usage *usage, const struct cli_option *option, const char *value)
{
    if (option->flag) {
        *option->flag = true;
        return -1;
    }
    if (!*value && !option->may_be_empty)
        return cli_misuse(usage->command, "--%s needs a value", option->name);
    if (option->texts && option->texts->count == CLI_MAX_TEXTS)
        return cli_misuse(
            usage->command, "--%s is given more than %d times", option->name, CLI_MAX_TEXTS);
    if (option->texts)
        option->texts->items[option->texts->count++] = value;
    else if (option->text)
        *option->text = value;
    else if (option->count && (!cli_parse_number(value, option->count) || *option->count == 0))
        return cli_misuse(
            usage->command, "--%s is '%s', expected a number from 1", option->name, value);
    else if (option->block && !parse_block(value, option->block))
        return cli_misuse(usage->command,
            "--%s is '%s', expected a block's number, or decoder. and a number", option->name,
            value);
    return -1;
}

// `operands`: the first and the second.
static int set_operand(const struct cli_usage *usage, const char *operands[2], const char *value)
{
    const uint32_t i = operands[0] != NULL;
    const char *name = i ? usage->second : usage->operand;
    if (!name || operands[i])
        return cli_misuse(usage->command, "unexpected operand '%s'", value);
    if (!*value)
        return cli_misuse(usage->command, "%s is empty", name);
    operands[i] = value;
    return -1;
}

// What getopt refused: `text` is the argument it stopped at.
static int refuse(const struct cli_usage *usage, int code, int option, const char *text)
{
    if (option >= FIRST_LONG) {
        const char *name = usage->options[option - FIRST_LONG].name;
        return cli_misuse(
            usage->command, "--%s %s", name, code == ':' ? "needs a value" : "takes no value");
    }
    if (option == 'h') // --help=x
        return cli_misuse(usage->command, "--help takes no value");
    if (option)
        return cli_misuse(usage->command, "unknown option '-%c'", option);
    return cli_misuse(usage->command, "unknown option '%.*s'", (int)strcspn(text, "="), text);
}

static int check_complete(
    const struct cli_usage *usage, const bool *seen, const char *const operands[2])
{
    if (usage->operand && !operands[0] && !usage->may_lack_operand)
        return cli_misuse(usage->command, "%s is missing", usage->operand);
    if (usage->second && !operands[1])
        return cli_misuse(usage->command, "%s is missing", usage->second);
    for (uint32_t i = 0; i < usage->option_count; i++) {
        if (usage->options[i].required && !seen[i])
            return cli_misuse(usage->command, "--%s is missing", usage->options[i].name);
    }
    return -1;
}

int cli_parse(const struct cli_usage *usage, int argc, char **argv)
{
    struct option longs[MAX_OPTIONS + 2] = { { 0 } };
    bool seen[MAX_OPTIONS] = { false };
    for (uint32_t i = 0; i < usage->option_count; i++)
        longs[i] = (struct option){ .name = usage->options[i].name,
            .val = FIRST_LONG + (int)i,
            .has_arg = usage->options[i].flag ? no_argument : required_argument };
    longs[usage->option_count] = (struct option){ .name = "help", .val = 'h' };

    const char *operands[2] = { NULL };
    int status = -1, code;
    opterr = 0;
    // "-": operands are options of value 1, wherever they stand and whatever
    // POSIXLY_CORRECT says; ":": a missing value is not an unknown option.
    while (status < 0 && (code = getopt_long(argc, argv, "-:h", longs, NULL)) != -1) {
        if (code == 'h') {
            print_help(usage);
            return 0;
        } else if (code == '?' || code == ':') {
            status = refuse(usage, code, optopt, argv[optind - 1]);
        } else if (code == 1) {
            status = set_operand(usage, operands, optarg);
        } else {
            seen[code - FIRST_LONG] = true;
            status = set_option(usage, &usage->options[code - FIRST_LONG], optarg);
        }
    }
    for (; status < 0 && optind < argc; optind++) // after "--"
        status = set_operand(usage, operands, argv[optind]);
    if (status < 0)
        status = check_complete(usage, seen, operands);
    if (status < 0 && usage->operand)
        *usage->operand_target = operands[0];
    if (status < 0 && usage->second)
        *usage->second_target = operands[1];
    return status;
}
