// card_number.c - see card_number.h.  The text is read as groups of digits with what stands between them; a number is
// one group or several that follow on each other, whole.

#include "broker/desk/card_number.h"

#include "broker/desk/link.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

#define CARD_DIGITS_MIN 13
#define CARD_DIGITS_MAX 19
#define SEPARATORS_MAX 3
#define GROUP_DIGITS_MIN 3 // of groups that need not be alike

// An unbroken run of digits, and what stands before it.
struct group {
    uint8_t digits[CARD_DIGITS_MAX];
    size_t count;                          // CARD_DIGITS_MAX + 1: too many for a card
    ucs4_t separators[SEPARATORS_MAX + 1]; // before it; 0-ended
};

// The last groups read that may be parts of one number, oldest first.
struct groups {
    struct group list[CARD_DIGITS_MAX];
    size_t count;
};

static bool card_number_luhn(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i];
        if (i % 2) {
            digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        }
        sum += digit;
    }
    return sum % 10 == 0;
}

static const struct {
    unsigned from, to; // of the first four digits
    size_t digits_min, digits_max;
} card_number_issuers[] = {
    { 4000, 4999, 13, 13 }, { 4000, 4999, 16, 16 }, { 4000, 4999, 19, 19 }, { 5100, 5599, 16, 16 },
    { 2221, 2720, 16, 16 }, { 3400, 3499, 15, 15 }, { 3700, 3799, 15, 15 }, { 3000, 3099, 14, 14 },
    { 3600, 3699, 14, 14 }, { 3800, 3999, 14, 14 }, { 6011, 6011, 16, 19 }, { 6440, 6599, 16, 19 },
    { 3500, 3599, 16, 19 }, { 6200, 6299, 16, 19 },
};

static bool card_number_is_card(const uint8_t *digits, size_t count)
{
    if (count < CARD_DIGITS_MIN) {
        return false;
    }
    unsigned begin = digits[0] * 1000u + digits[1] * 100u + digits[2] * 10u + digits[3];
    for (size_t i = 0; i < sizeof card_number_issuers / sizeof *card_number_issuers; i++) {
        if (begin >= card_number_issuers[i].from && begin <= card_number_issuers[i].to &&
            count >= card_number_issuers[i].digits_min && count <= card_number_issuers[i].digits_max) {
            return card_number_luhn(digits, count);
        }
    }
    return false;
}

static bool card_number_same_separators(const struct group *one, const struct group *other)
{
    return !memcmp(one->separators, other->separators, sizeof one->separators);
}

// Appends a group to the digits of those behind it.  False if it cannot be part of the same number.
static bool card_number_join(uint8_t *digits, size_t *count, const struct group *group)
{
    if (*count + group->count > CARD_DIGITS_MAX) {
        return false;
    }
    memmove(digits + group->count, digits, *count);
    memcpy(digits, group->digits, group->count);
    *count += group->count;
    return true;
}

// True if a number ends with the newest group.  A number's last group may be shorter or longer than the others.
static bool card_number_ends_number(const struct groups *groups)
{
    uint8_t digits[CARD_DIGITS_MAX];
    size_t count = 0;
    bool small = false, alike = true;
    for (size_t i = groups->count; i > 0; i--) {
        const struct group *group = &groups->list[i - 1], *behind = group + 1;
        if (!card_number_join(digits, &count, group)) {
            return false;
        }
        small = small || group->count < GROUP_DIGITS_MIN;
        if (i + 1 < groups->count) {
            alike = alike && group->count == behind->count && card_number_same_separators(behind, behind + 1);
        }
        if ((!small || alike) && card_number_is_card(digits, count)) {
            return true;
        }
    }
    return false;
}

static struct group *card_number_begin_group(struct groups *groups)
{
    if (groups->count == CARD_DIGITS_MAX) {
        memmove(groups->list, groups->list + 1, (CARD_DIGITS_MAX - 1) * sizeof *groups->list);
        groups->count--;
    }
    struct group *group = &groups->list[groups->count++];
    *group = (struct group){ 0 };
    return group;
}

// What has been read of the text.
struct reading {
    struct groups groups;
    ucs4_t separators[SEPARATORS_MAX + 1]; // since the last digit
    size_t separator_count;
    bool in_group;
};

static void card_number_read_digit(struct reading *reading, uint8_t digit)
{
    struct groups *groups = &reading->groups;
    if (!reading->in_group) {
        struct group *group = card_number_begin_group(groups);
        memcpy(group->separators, reading->separators, reading->separator_count * sizeof *group->separators);
        reading->in_group = true;
    }
    struct group *group = &groups->list[groups->count - 1];
    if (group->count < CARD_DIGITS_MAX) {
        group->digits[group->count] = digit;
    }
    group->count += group->count <= CARD_DIGITS_MAX;
    reading->separator_count = 0;
}

static void card_number_forget_groups(struct reading *reading)
{
    reading->groups.count = 0;
    reading->separator_count = 0;
}

// A character that is no digit.  True if a number ends before it.
static bool card_number_read_other(struct reading *reading, ucs4_t character)
{
    if (uc_is_property_default_ignorable_code_point(character) || character == 0x20e3) { // of a keycap
        return false;
    }
    bool card = reading->in_group && card_number_ends_number(&reading->groups);
    reading->in_group = false;
    if (uc_is_property_alphabetic(character) || reading->separator_count == SEPARATORS_MAX) {
        card_number_forget_groups(reading);
    } else if (reading->groups.count) {
        reading->separators[reading->separator_count++] = character;
    }
    return card;
}

// Most texts have too few digits, and need not be looked through for links.
static bool card_number_has_digits(const char *text)
{
    const uint8_t *at = (const uint8_t *) text;
    size_t digits = 0;
    ucs4_t character;

    while (digits < CARD_DIGITS_MIN && *at != '\0') {
        if (*at < 0x80) {
            digits += *at >= '0' && *at <= '9';
            at++;
            continue;
        }
        at = u8_next(&character, at);
        digits += uc_digit_value(character) >= 0;
    }
    return digits == CARD_DIGITS_MIN;
}

bool text_has_card_number(const char *text)
{
    if (!card_number_has_digits(text)) {
        return false;
    }
    struct reading reading = { 0 };
    struct link link = { 0 };
    bool more_links = link_next(text, 0, LINKS_OF_ANY_HOST, &link);
    ucs4_t character;
    const uint8_t *at = (const uint8_t *) text;
    for (const uint8_t *next; (next = u8_next(&character, at)); at = next) {
        size_t from = (size_t) (at - (const uint8_t *) text);
        if (more_links && from == link.from) {
            if (card_number_read_other(&reading, 'x')) {
                return true;
            }
            next = (const uint8_t *) text + link.to;
            more_links = link_next(text, link.to, LINKS_OF_ANY_HOST, &link);
            continue;
        }
        int digit = uc_digit_value(character);
        if (digit >= 0) {
            card_number_read_digit(&reading, (uint8_t) digit);
        } else if (card_number_read_other(&reading, character)) {
            return true;
        }
    }
    return reading.in_group && card_number_ends_number(&reading.groups);
}
