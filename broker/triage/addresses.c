// addresses.c - account names, links, mail addresses and hashtags in a text, and where each begins and ends.

#include "broker/triage/addresses.h"

#include "broker/triage/letters.h"
#include "broker/triage/plain_text.h"

#include <stdint.h>
#include <string.h>

static bool addresses_ascii_letter(char byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool addresses_ascii_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool addresses_word_byte(char byte)
{
    return addresses_ascii_letter(byte) || addresses_ascii_digit(byte) || byte == '_' || (byte & 0x80) != 0;
}

static bool addresses_host_byte(char byte)
{
    return addresses_ascii_letter(byte) || addresses_ascii_digit(byte) || byte == '-' || byte == '.';
}

// Ends of host names that people write without http; those that are common words (es, de, me, it) count
// only before a slash.
static bool addresses_host_end(const char *text, size_t bytes, bool before_slash)
{
    static const char *const ends[] = { "com", "net", "org", "info", "edu", "gov",    "cat",
                                        "eus", "gal", "tv",  "ly",   "io",  "example" };
    if (before_slash && bytes >= 2 && bytes <= 6) {
        return true;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (strlen(ends[i]) == bytes && strncasecmp(ends[i], text, bytes) == 0) {
            return true;
        }
    }
    return false;
}

bool address_host(const char *text, size_t bytes, size_t *host_bytes)
{
    size_t dot = 0;
    size_t i = 0;
    while (i < bytes && addresses_host_byte(text[i])) {
        if (text[i] == '.' && i > 0 && i + 1 < bytes && addresses_ascii_letter(text[i + 1])) {
            dot = i;
        }
        i++;
    }
    *host_bytes = i > 0 ? i : 1;
    size_t end = i;
    while (end > 0 && (text[end - 1] == '.' || text[end - 1] == '-')) {
        end--;
    }
    if (dot == 0 || dot >= end || text[0] == '.' || text[0] == '-') {
        return false;
    }
    if (bytes > 4 && strncasecmp(text, "www.", 4) == 0) {
        return true;
    }
    return addresses_host_end(text + dot + 1, end - dot - 1, i < bytes && text[i] == '/');
}

// Where a link that began before `at` ends.
static size_t addresses_link_end(const char *text, size_t bytes, size_t at)
{
    size_t end = at;
    while (end < bytes) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + end, bytes - end, &code);
        if (code <= ' ' || code == '"' || code == '<' || code == '>') {
            break;
        }
        if (code >= 0x80 && (letters_class(code) & (LETTER_WORD | LETTER_RUNS_ON)) != LETTER_WORD) {
            break;
        }
        end += length;
    }
    while (end > at && strchr(".,!?;:)]'", text[end - 1]) != NULL) {
        end--;
    }
    return end;
}

// Where the letters and digits from `at` on end; of an account, `joints` are signs that may stand between them.
static size_t addresses_name_end(const char *text, size_t bytes, size_t at, bool hashtag)
{
    while (at < bytes) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + at, bytes - at, &code);
        unsigned class = letters_class(code);
        bool joint = !hashtag && (code == '.' || code == '-') && at + 1 < bytes &&
                     ((text[at + 1] >= 'a' && text[at + 1] <= 'z') || addresses_ascii_digit(text[at + 1]));
        bool hidden = hashtag && (code == 0x200B || code == 0x200C || code == 0x200D);
        bool letter = code == '_' || ((class & LETTER_WORD) != 0 && (hashtag || (class & LETTER_RUNS_ON) == 0));
        if (!letter && !joint && !hidden) {
            break;
        }
        at += length;
    }
    return at;
}

static bool addresses_local_byte(char byte)
{
    return addresses_ascii_letter(byte) || addresses_ascii_digit(byte) || strchr("._%+-", byte) != NULL;
}

// A mail address around the @ at `at`, that begins at `from` or later.
static bool addresses_find_mail(const char *text, size_t bytes, size_t from, size_t at, struct address *address)
{
    size_t start = at;
    while (start > from && text[start - 1] != '\0' && addresses_local_byte(text[start - 1])) {
        start--;
    }
    size_t end = at + 1;
    bool dot = false;
    while (end < bytes && addresses_host_byte(text[end])) {
        dot = dot || (text[end] == '.' && end + 1 < bytes && addresses_ascii_letter(text[end + 1]) && end > at + 1);
        end++;
    }
    while (end > at + 1 && (text[end - 1] == '.' || text[end - 1] == '-')) {
        end--;
    }
    if (start == at || !dot) {
        return false;
    }
    *address = (struct address){ ADDRESS_MAIL, start, end };
    return true;
}

static bool addresses_find_account(const char *text, size_t bytes, size_t from, size_t at, struct address *address)
{
    if (at > from &&
        (addresses_ascii_letter(text[at - 1]) || addresses_ascii_digit(text[at - 1]) || text[at - 1] == '_')) {
        return false;
    }
    size_t end = addresses_name_end(text, bytes, at + 1, false);
    if (end == at + 1) {
        return false;
    }
    if (end + 1 < bytes && text[end] == '@' && addresses_host_byte(text[end + 1])) { // @name@host.example
        end = addresses_name_end(text, bytes, end + 1, false);
    }
    *address = (struct address){ ADDRESS_ACCOUNT, at, end };
    return true;
}

static bool addresses_find_hashtag(const char *text, size_t bytes, size_t from, size_t at, struct address *address)
{
    if (at > from &&
        (addresses_ascii_letter(text[at - 1]) || addresses_ascii_digit(text[at - 1]) || text[at - 1] == '_')) {
        return false;
    }
    size_t end = addresses_name_end(text, bytes, at + 1, true);
    *address = (struct address){ ADDRESS_HASHTAG, at, end };
    return end > at + 1;
}

// A link around the :// at `at`.
static bool addresses_find_scheme(const char *text, size_t bytes, size_t from, size_t at, struct address *address)
{
    size_t start = at;
    while (start > from && addresses_ascii_letter(text[start - 1])) {
        start--;
    }
    if (start == at) {
        return false;
    }
    *address = (struct address){ ADDRESS_LINK, start, addresses_link_end(text, bytes, at + 3) };
    return address->end > at + 3;
}

// A host name, or u/name, that begins at `at`, where no word goes on.
static bool addresses_find_host(const char *text, size_t bytes, size_t at, size_t *host_bytes, struct address *address)
{
    if (address_host(text + at, bytes - at, host_bytes)) {
        *address = (struct address){ ADDRESS_LINK, at, addresses_link_end(text, bytes, at + *host_bytes) };
        size_t end = at + *host_bytes;
        if (address->end < end && end < bytes) {
            address->end = addresses_link_end(text, end, at);
        }
        return true;
    }
    if (text[at] != 'u' || bytes - at < 3 || text[at + 1] != '/' || !addresses_word_byte(text[at + 2])) {
        return false;
    }
    *address = (struct address){ ADDRESS_ACCOUNT, at, addresses_name_end(text, bytes, at + 2, false) };
    return true;
}

bool address_next(const char *text, size_t bytes, size_t from, struct address *address)
{
    for (size_t at = from; at < bytes;) {
        char byte = text[at];
        size_t step = 1;
        if (byte == '@' && (addresses_find_mail(text, bytes, from, at, address) ||
                            addresses_find_account(text, bytes, from, at, address))) {
            return true;
        }
        if (byte == '#' && addresses_find_hashtag(text, bytes, from, at, address)) {
            return true;
        }
        if (byte == ':' && bytes - at > 3 && memcmp(text + at, "://", 3) == 0 &&
            addresses_find_scheme(text, bytes, from, at, address)) {
            return true;
        }
        if ((addresses_ascii_letter(byte) || addresses_ascii_digit(byte)) &&
            (at == from || !addresses_word_byte(text[at - 1]))) {
            size_t host_bytes = 1;
            if (addresses_find_host(text, bytes, at, &host_bytes, address) &&
                !(address->end < bytes && text[address->end] == '@')) {
                return true;
            }
            step = host_bytes;
        }
        at += step;
    }
    return false;
}
