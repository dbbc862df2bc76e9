// outgoing.c - a reply made whole, and each reason why it may not go out: see outgoing.h.

#include "broker/desk/outgoing.h"

#include "broker/desk/card_number.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

static const char *outgoing_name_of(const struct policy *policy, const struct answering *answering,
                                    const char *placeholder, size_t length)
{
    const struct policy_person *who = &policy->people[answering->person];
    const char *brand = policy->brands[answering->brand].display_name;
    if (length == 10 && !memcmp(placeholder, "first_name", length)) {
        return who->first_name;
    }
    if (length == 4 && !memcmp(placeholder, "name", length)) {
        return who->display_name;
    }
    if (length == 6 && !memcmp(placeholder, "agency", length)) {
        return who->agency == POLICY_NONE ? brand : policy->agencies[who->agency].name;
    }
    if (length == 5 && !memcmp(placeholder, "brand", length)) {
        return brand;
    }
    return NULL;
}

// Writes a template with its names filled in to `to`, without a NUL, or nothing where that is NULL.  Returns its bytes.
static size_t outgoing_fill(const struct policy *policy, const struct answering *answering, const char *template,
                            char *to)
{
    size_t bytes = 0;
    for (const char *rest = template;;) {
        size_t plain = strcspn(rest, "{");
        if (to != NULL) {
            memcpy(to + bytes, rest, plain);
        }
        bytes += plain;
        if (rest[plain] == '\0') {
            return bytes;
        }
        const char *open = rest + plain;
        const char *close = strchr(open, '}');
        const char *name =
            close != NULL ? outgoing_name_of(policy, answering, open + 1, (size_t) (close - open - 1)) : NULL;
        must(name); // rules_brands.c lets no other placeholder in
        size_t length = strlen(name);
        if (to != NULL) {
            memcpy(to + bytes, name, length);
        }
        bytes += length;
        rest = close + 1;
    }
}

const char *outgoing_disclosure(const struct policy *policy, const struct answering *answering,
                                struct change_list *memory)
{
    const struct policy_brand *brand = &policy->brands[answering->brand];
    bool of_pr = answering->audience == AUDIENCE_PR;
    const char *template = policy_wording(policy, of_pr ? &brand->disclosure_pr_in : &brand->disclosure_in,
                                          of_pr ? brand->disclosure_pr : brand->disclosure, answering->language);
    if (template == NULL || template[0] == '\0') {
        return "";
    }
    char *line = change_list_allocate(memory, outgoing_fill(policy, answering, template, NULL) + 1);
    outgoing_fill(policy, answering, template, line);
    return line;
}

int64_t outgoing_room(const struct policy *policy, const struct answering *answering, struct change_list *memory)
{
    const struct policy_channel *channel = &policy->channels[answering->channel];
    if (!channel->length_max) {
        return 0;
    }
    const char *line = outgoing_disclosure(policy, answering, memory);
    if (!*line) {
        return channel->length_max;
    }
    return channel->length_max -
           reply_length(channel->counting, channel->link_length, change_list_join(memory, " ", line, NULL));
}

// Most texts are ASCII, of which there is less to know than of all other characters: the loops below pass over it a
// byte at a time.

static bool outgoing_is_seen_ascii(char byte)
{
    return byte > ' ' && byte <= '~';
}

// How many bytes from `text` on are seen ASCII, with single blanks between.
static size_t outgoing_plain_bytes(const char *text)
{
    size_t bytes = 0;
    while (outgoing_is_seen_ascii(text[bytes]) || (text[bytes] == ' ' && outgoing_is_seen_ascii(text[bytes + 1]))) {
        bytes++;
    }
    return bytes;
}

// Letters and signs that are drawn as nothing but take up room.
static bool outgoing_is_blank(ucs4_t character)
{
    return uc_is_property_white_space(character) || character == 0x2800 || character == 0x3164 || character == 0xffa0 ||
           character == 0x115f || character == 0x1160;
}

static bool outgoing_breaks_line(ucs4_t character)
{
    return (character >= '\n' && character <= '\r') || character == 0x85 || character == 0x2028 || character == 0x2029;
}

// A run of blanks, and of what is invisible among them.
struct blanks {
    size_t bytes;
    size_t wide; // those that take up room
    size_t breaks;
    bool visible_end; // something to be seen follows
};

static struct blanks outgoing_read_blanks(const char *text)
{
    struct blanks run = { 0 };
    ucs4_t character, before = 0;
    for (const uint8_t *at = (const uint8_t *) text, *next; (next = u8_next(&character, at)); at = next) {
        bool blank = outgoing_is_blank(character);
        if (!blank && !uc_is_property_default_ignorable_code_point(character)) {
            run.visible_end = true;
            break;
        }
        run.bytes += (size_t) (next - at);
        run.wide += blank;
        run.breaks += outgoing_breaks_line(character) && !(character == '\n' && before == '\r');
        before = character;
    }
    return run;
}

static bool outgoing_directs(ucs4_t character)
{
    return (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

// Copies the controls of direction among `bytes` of a run of blanks: what they close must not stay open.
static size_t outgoing_copy_directions(char *to, const char *run, size_t bytes)
{
    size_t copied = 0;
    ucs4_t character;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = (size_t) u8_strmbtouc(&character, (const uint8_t *) run + at);
        if (outgoing_directs(character)) {
            memcpy(to + copied, run + at, length);
            copied += length;
        }
    }
    return copied;
}

#define BLANKS_MAX 8 // in a row within a line
#define BREAKS_MAX 2 // one line left empty

// The text without the blanks that could push what follows it out of sight.  Belongs to `memory`.
static const char *outgoing_tidy(const char *text, struct change_list *memory)
{
    char *tidied = malloc(strlen(text) + 1);
    must(tidied);
    size_t bytes = 0;
    while (*text) {
        size_t plain = outgoing_plain_bytes(text);
        if (plain > 0) {
            memcpy(tidied + bytes, text, plain);
            bytes += plain;
            text += plain;
            continue;
        }
        struct blanks run = outgoing_read_blanks(text);
        size_t length = run.bytes;
        if (!length) {
            ucs4_t character;
            length = (size_t) u8_strmbtouc(&character, (const uint8_t *) text);
        }
        bool at_end = run.wide && !run.visible_end;
        if (at_end || run.breaks > BREAKS_MAX || run.wide > BLANKS_MAX) {
            const char *kept = at_end ? "" : run.breaks ? &"\n\n"[run.breaks == 1] : " ";
            memcpy(tidied + bytes, kept, strlen(kept));
            bytes += strlen(kept);
            bytes += outgoing_copy_directions(tidied + bytes, text, length);
        } else {
            memcpy(tidied + bytes, text, length);
            bytes += length;
        }
        text += length;
    }
    tidied[bytes] = '\0';
    const char *copy = change_list_text(memory, tidied);
    free(tidied);
    return copy;
}

static bool outgoing_has_right_to_left(const char *text)
{
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; *next != '\0';) {
        if (*next < 0x80) {
            next++;
            continue;
        }
        next = u8_next(&character, next);
        int category = uc_bidi_category(character);
        if (category == UC_BIDI_R || category == UC_BIDI_AL) {
            return true;
        }
    }
    return false;
}

// Whether a line behind a blank reads as another sentence than the text: it begins with a sign of its own, or the text
// ends with what ends a sentence, an emoji too, quotes and brackets behind it left aside.
static bool outgoing_ends_before(const char *text, const char *line)
{
    ucs4_t character, last = '.', first;
    u8_strmbtouc(&first, (const uint8_t *) line);
    for (const uint8_t *next = (const uint8_t *) text; *next != '\0';) {
        if (outgoing_is_seen_ascii((char) *next)) {
            last = strchr(")]}\"'", *next) == NULL ? *next : last;
            next++;
            continue;
        }
        next = u8_next(&character, next);
        bool closes = uc_is_general_category(character, UC_CATEGORY_Pe) ||
                      uc_is_general_category(character, UC_CATEGORY_Pf) || character == '"' || character == '\'';
        if (!closes && !outgoing_is_blank(character) && !uc_is_property_default_ignorable_code_point(character)) {
            last = character;
        }
    }
    return uc_is_general_category_withtable(first, UC_CATEGORY_MASK_P | UC_CATEGORY_MASK_S) ||
           uc_is_general_category_withtable(last, UC_CATEGORY_MASK_So | UC_CATEGORY_MASK_Sk) ||
           uc_is_property_sentence_terminal(last) || last == 0x2026; // an ellipsis
}

bool outgoing_is_empty(const char *text)
{
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; (next = u8_next(&character, next));) {
        if (!outgoing_is_blank(character) && !uc_is_property_default_ignorable_code_point(character)) {
            return false;
        }
    }
    return true;
}

// Source: Unicode Standard Annex #9, 2.1 to 2.5 and 3.3.2: what opens reaches to its end or that of the paragraph, and
// no embedding reaches into an isolate or out of it.
bool outgoing_turns_what_follows(const char *text)
{
    size_t embeddings = 0;
    size_t isolates = 0;
    ucs4_t character;
    for (const uint8_t *next = (const uint8_t *) text; *next != '\0';) {
        if (*next >= ' ' && *next <= '~') {
            next++;
            continue;
        }
        next = u8_next(&character, next);
        bool printed = character >= 0xa0 || (character >= ' ' && character < 0x7f);
        if (character == 0x202d || character == 0x202e || (!printed && strchr("\t\n\r", (int) character) == NULL)) {
            return true; // overrides; controls, which a terminal or a page may obey
        }
        embeddings += isolates == 0 && (character == 0x202a || character == 0x202b);
        embeddings -= isolates == 0 && character == 0x202c && embeddings > 0;
        isolates += character >= 0x2066 && character <= 0x2068;
        isolates -= character == 0x2069 && isolates > 0;
    }
    return embeddings > 0 || isolates > 0;
}

// What keeps a reply from going out; NULL if nothing does.
static const char *outgoing_refuse(const struct policy_channel *channel, const char *text, const struct outgoing *out,
                                   struct change_list *memory)
{
    const struct counting_defaults *platform = counting_defaults(channel->counting);
    if (outgoing_is_empty(text)) {
        return "the reply is empty: write a text";
    }
    if (text_has_card_number(text)) {
        return "the reply holds what looks like a payment card's number: take it out";
    }
    if (channel->length_max && out->length > channel->length_max) {
        return change_list_format(
            memory, "the reply is %lld %s long with its disclosure line, %s takes %lld: shorten it by %lld",
            (long long) out->length, platform->unit, channel->name, (long long) channel->length_max,
            (long long) (out->length - channel->length_max));
    }
    if (platform->bytes_max && strlen(out->text) > (size_t) platform->bytes_max) {
        return change_list_format(memory, "the reply has %zu bytes with its disclosure line, %s takes %lld: shorten it",
                                  strlen(out->text), channel->name, (long long) platform->bytes_max);
    }
    return NULL;
}

struct outgoing outgoing_compose(const struct policy *policy, const struct answering *answering, const char *text,
                                 struct change_list *memory)
{
    const struct policy_channel *channel = &policy->channels[answering->channel];
    const char *line = outgoing_disclosure(policy, answering, memory);
    bool turns = outgoing_turns_what_follows(text);
    text = outgoing_tidy(text, memory);
    bool own_line = strpbrk(text, "\r\n") != NULL ||
                    outgoing_has_right_to_left(text) != outgoing_has_right_to_left(line) ||
                    !outgoing_ends_before(text, line);
    struct outgoing out = { .text = *line ? change_list_join(memory, text, own_line ? "\n" : " ", line, NULL) : text };
    out.length = reply_length(channel->counting, channel->link_length, out.text);
    out.refused = turns ? "the reply holds control characters that could hide its disclosure line or turn it around: "
                          "take them out"
                        : outgoing_refuse(channel, text, &out, memory);
    return out;
}
