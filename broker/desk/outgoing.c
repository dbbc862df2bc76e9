#include "broker/desk/outgoing.h"

#include "proto/must.h"

#include <string.h>
#include <unictype.h>
#include <unistr.h>

static const char *name_of(const struct policy *policy, uint32_t brand, uint32_t person, const char *placeholder,
                           size_t length)
{
    const struct policy_person *who = &policy->people[person];
    if (length == 10 && !memcmp(placeholder, "first_name", length))
        return who->first_name;
    if (length == 4 && !memcmp(placeholder, "name", length))
        return who->display_name;
    if (length == 6 && !memcmp(placeholder, "agency", length))
        return who->agency == POLICY_NONE ? policy->brands[brand].display_name : policy->agencies[who->agency].name;
    if (length == 5 && !memcmp(placeholder, "brand", length))
        return policy->brands[brand].display_name;
    return NULL;
}

const char *outgoing_disclosure(const struct policy *policy, uint32_t brand, uint32_t person, enum audience audience,
                                struct change_list *memory)
{
    const struct policy_brand *of = &policy->brands[brand];
    const char *rest = audience == AUDIENCE_PR ? of->disclosure_pr : of->disclosure;
    const char *line = "";
    for (const char *open; rest && (open = strchr(rest, '{'));) {
        const char *close = strchr(open, '}');
        const char *name = close ? name_of(policy, brand, person, open + 1, (size_t) (close - open - 1)) : NULL;
        must(name); // rules_brands.c lets no other placeholder in
        line = change_list_format(memory, "%s%.*s%s", line, (int) (open - rest), rest, name);
        rest = close + 1;
    }
    return change_list_format(memory, "%s%s", line, rest ? rest : "");
}

int64_t outgoing_length(const char *text)
{
    return (int64_t) u8_mbsnlen((const uint8_t *) text, strlen(text));
}

static bool luhn(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i];
        if (i % 2)
            digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return sum % 10 == 0;
}

// True if the run is such a number, or holds one of the usual kinds behind or before other digits: 16 digits that
// begin with 2, 4, 5 or 6, or 15 with 34 or 37.  Every window of every length would refuse most order numbers.
static bool run_has_card(const uint8_t *digits, size_t count)
{
    if (count >= 13 && count <= 19 && digits[0] != 0 && luhn(digits, count))
        return true;
    for (size_t i = 0; i + 15 <= count; i++) {
        bool sixteen = i + 16 <= count && digits[i] >= 2 && digits[i] <= 6 && digits[i] != 3;
        bool fifteen = digits[i] == 3 && (digits[i + 1] == 4 || digits[i + 1] == 7);
        if ((sixteen && luhn(digits + i, 16)) || (fifteen && luhn(digits + i, 15)))
            return true;
    }
    return false;
}

bool outgoing_has_card_number(const char *text)
{
    uint8_t digits[64];
    size_t count = 0;
    bool separated = false;
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; (next = u8_next(&character, next));) {
        int digit = uc_decimal_value(character);
        if (digit >= 0) {
            if (count == sizeof digits) {
                if (run_has_card(digits, count))
                    return true;
                memmove(digits, digits + sizeof digits - 18, 18);
                count = 18;
            }
            digits[count++] = (uint8_t) digit;
            separated = false;
        } else if (count && uc_is_property_default_ignorable_code_point(character)) {
            continue;
        } else if (count && !separated &&
                   (uc_is_property_white_space(character) || uc_is_property_dash(character) || character == '.')) {
            separated = true;
        } else {
            if (run_has_card(digits, count))
                return true;
            count = 0;
            separated = false;
        }
    }
    return run_has_card(digits, count);
}

bool outgoing_is_empty(const char *text)
{
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; (next = u8_next(&character, next));) {
        if (!uc_is_property_white_space(character) && !uc_is_property_default_ignorable_code_point(character))
            return false;
    }
    return true;
}

// Source: Unicode Standard Annex #9, 2.1 to 2.5 and 3.3.2: what opens reaches to its end or that of the paragraph.
bool outgoing_turns_what_follows(const char *text)
{
    size_t embeddings = 0;
    size_t isolates = 0;
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; (next = u8_next(&character, next));) {
        bool printed = character >= 0xa0 || (character >= ' ' && character < 0x7f);
        if (character == 0x202d || character == 0x202e || (!printed && !strchr("\t\n\r", (int) character)))
            return true; // overrides; controls, which a terminal or a page may obey
        embeddings += character == 0x202a || character == 0x202b;
        isolates += character >= 0x2066 && character <= 0x2068;
        embeddings -= character == 0x202c && embeddings > 0;
        isolates -= character == 0x2069 && isolates > 0;
    }
    return embeddings > 0 || isolates > 0;
}

struct outgoing outgoing_compose(const struct policy *policy, uint32_t brand, uint32_t channel, uint32_t person,
                                 enum audience audience, const char *text, struct change_list *memory)
{
    const char *line = outgoing_disclosure(policy, brand, person, audience, memory);
    struct outgoing out = { .text = *line ? change_list_format(memory, "%s %s", text, line)
                                          : change_list_text(memory, text) };
    out.length = outgoing_length(out.text);
    int64_t length_max = policy->channels[channel].length_max;
    if (outgoing_is_empty(text))
        out.refused = "the reply is empty: write a text";
    else if (outgoing_turns_what_follows(text))
        out.refused = "the reply holds control characters that could hide its disclosure line or turn it around: take "
                      "them out";
    else if (outgoing_has_card_number(text))
        out.refused = "the reply holds what looks like a payment card's number: take it out";
    else if (length_max && out.length > length_max)
        out.refused = change_list_format(
            memory, "the reply is %lld characters long with its disclosure line, %s takes %lld: shorten it by %lld",
            (long long) out.length, policy->channels[channel].name, (long long) length_max,
            (long long) (out.length - length_max));
    return out;
}
