// tokenizer_json.h - what is asked of a tokenizer.json everywhere. Null is as if it were not there.
#ifndef VKMOE_TOKENIZER_JSON_H
#define VKMOE_TOKENIZER_JSON_H

#include <string.h>

#include "base/value.h"

static inline const struct value *json_find(const struct value *object, const char *key)
{
    const struct value *item = vkmoe_value_member(object, key);
    return value_is(item, VALUE_NULL) ? NULL : item;
}

static inline bool json_is_true(const struct value *object, const char *key)
{
    return value_is_true(json_find(object, key));
}

static inline bool json_says(const struct value *object, const char *key, const char *said)
{
    const char *text = value_text(json_find(object, key));
    return text && strcmp(text, said) == 0;
}

// Each step of what may be a Sequence, by what its list is called, or the one there is, or none.
#define JSON_EACH(step, all, list) \
    for (const struct value *step = json_says(all, "type", "Sequence") \
             ? vkmoe_value_begin(json_find(all, list)) \
             : (all), \
                            *step##_end = json_says(all, "type", "Sequence") \
             ? vkmoe_value_end(json_find(all, list)) \
             : (all) ? (all) + 1 \
                     : NULL; \
         step < step##_end; step++)

#endif
