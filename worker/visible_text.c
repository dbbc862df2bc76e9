// visible_text.c - what shows nothing or turns a line, character by character: see visible_text.h.
//
// One pass over the characters.  The only state is what came before: the last character shown, and how
// many marks stand on it.

#include "worker/visible_text.h"

#include "proto/base/must.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unigbrk.h>
#include <unilbrk.h>
#include <unistr.h>
#include <uniwidth.h>

#define MARKS_MAX 4u         // on one letter; Hebrew and Vietnamese need three
#define COLUMNS_MIN 20u      // narrower than this nothing can be read
#define DOTTED_CIRCLE 0x25CC // carries a mark that has no letter
#define VIRAMA_CLASS 9       // combining class of the signs after which joiners have a meaning

// Where the walk over a text stands.
struct walk {
    const uint8_t *text;
    size_t bytes;
    size_t at;
    ucs4_t before;  // the character before, 0 at the start of a line
    bool emoji;     // `before` ends an emoji to which another may be joined
    size_t marks;   // marks shown on the last letter
    size_t dropped; // marks on it that are too many, not yet told
    unsigned options;
    FILE *out;
};

static void visible_text_put(struct walk *walk, ucs4_t code)
{
    uint8_t bytes[6];
    int count = u8_uctomb(bytes, code, sizeof bytes);
    must(count > 0);
    fwrite(bytes, 1, (size_t) count, walk->out);
}

static void visible_text_put_code(struct walk *walk, ucs4_t code)
{
    fprintf(walk->out, "<U+%04X>", (unsigned) code);
}

// Reads the character at `at`; returns its bytes, 0 at the end or where there is no valid one.
static size_t visible_text_peek(const struct walk *walk, size_t at, ucs4_t *code)
{
    *code = 0;
    if (at >= walk->bytes) {
        return 0;
    }
    int count = u8_mbtoucr(code, walk->text + at, walk->bytes - at);
    return count > 0 ? (size_t) count : 0;
}

static bool visible_text_is_mark(ucs4_t code)
{
    return uc_is_general_category_withtable(code, UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Me);
}

static bool visible_text_is_pictographic(ucs4_t code)
{
    return uc_is_property(code, UC_PROPERTY_EXTENDED_PICTOGRAPHIC);
}

// Signs like U+0600 are of the category of format characters, yet are seen.
static bool visible_text_is_seen_format(ucs4_t code)
{
    return (code >= 0x0600 && code <= 0x0605) || code == 0x06DD || code == 0x070F || code == 0x0890 || code == 0x0891 ||
           code == 0x08E2 || code == 0x110BD || code == 0x110CD;
}

// True for characters that show nothing, move something, or look like whatever a font likes.
static bool visible_text_is_hidden(ucs4_t code)
{
    if (uc_is_property(code, UC_PROPERTY_DEFAULT_IGNORABLE_CODE_POINT)) {
        return true;
    }
    if (code >= 0x1F000 && code <= 0x1FAFF) { // emoji newer than the library's tables
        return false;
    }
    return uc_is_general_category_withtable(code, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Cs |
                                                      UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cn | UC_CATEGORY_MASK_Zl |
                                                      UC_CATEGORY_MASK_Zp) &&
           !visible_text_is_seen_format(code);
}

static bool visible_text_joins_to_next(ucs4_t code)
{
    int type = uc_joining_type(code);
    return type == UC_JOINING_TYPE_L || type == UC_JOINING_TYPE_D;
}

static bool visible_text_joins_to_previous(ucs4_t code)
{
    int type = uc_joining_type(code);
    return type == UC_JOINING_TYPE_R || type == UC_JOINING_TYPE_D;
}

// U+200C and U+200D where RFC 5892 (A.1, A.2) lets them stand, and U+200D between emoji.
static bool visible_text_is_joiner_in_place(const struct walk *walk, ucs4_t code, size_t code_bytes)
{
    if (code != 0x200C && code != 0x200D) {
        return false;
    }
    if (walk->before != 0 && uc_combining_class(walk->before) == VIRAMA_CLASS) {
        return true;
    }

    ucs4_t next;
    size_t at = walk->at + code_bytes;
    if (visible_text_peek(walk, at, &next) == 0) {
        return false;
    }
    if (code == 0x200D) {
        return walk->emoji && visible_text_is_pictographic(next);
    }
    return walk->before != 0 && visible_text_joins_to_next(walk->before) && visible_text_joins_to_previous(next);
}

static bool visible_text_is_style_in_place(const struct walk *walk, ucs4_t code)
{
    if (code != 0xFE0E && code != 0xFE0F) {
        return false;
    }
    return walk->before != 0 && uc_is_property(walk->before, UC_PROPERTY_EMOJI) &&
           !uc_is_property(walk->before, UC_PROPERTY_EMOJI_MODIFIER);
}

// The flags of England, Scotland and Wales are a black flag and a word in tags.  Returns the bytes of
// such a word at the walk's place, or 0.
static size_t visible_text_flag_tags(const struct walk *walk)
{
    static const char *const words[] = { "gbeng", "gbsct", "gbwls" };
    if (walk->before != 0x1F3F4) {
        return 0;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t at = walk->at;
        const char *letter = words[i];
        ucs4_t code;
        size_t bytes;
        while ((bytes = visible_text_peek(walk, at, &code)) > 0 && *letter != '\0' &&
               code == 0xE0000u + (unsigned char) *letter) {
            at += bytes;
            letter++;
        }
        if (*letter == '\0' && bytes > 0 && code == 0xE007F) {
            return at + bytes - walk->at;
        }
    }
    return 0;
}

static void visible_text_tell_dropped_marks(struct walk *walk)
{
    if (walk->dropped > 0) {
        fprintf(walk->out, "<+%zu marks>", walk->dropped);
    }
    walk->dropped = 0;
    walk->marks = 0;
}

static void visible_text_show_mark(struct walk *walk, ucs4_t code)
{
    if (walk->before == 0) {
        visible_text_put(walk, DOTTED_CIRCLE);
    }
    if (walk->marks < MARKS_MAX) {
        visible_text_put(walk, code);
        walk->marks++;
    } else {
        walk->dropped++;
    }
    walk->before = code;
}

static void visible_text_show_control(struct walk *walk, ucs4_t code)
{
    visible_text_put(walk, code == 0x7F ? 0x2421 : 0x2400 + code);
    walk->before = 0x2400;
    walk->emoji = false;
}

static void visible_text_show_newline(struct walk *walk)
{
    fputc('\n', walk->out);
    walk->before = 0;
    walk->emoji = false;
}

// Shows a character of which none of the special rules speaks.
static void visible_text_show_plain(struct walk *walk, ucs4_t code)
{
    visible_text_put(walk, code);
    bool modifier = walk->emoji && uc_is_property(code, UC_PROPERTY_EMOJI_MODIFIER);
    walk->emoji = modifier || visible_text_is_pictographic(code);
    walk->before = code;
}

static void visible_text_show(struct walk *walk, ucs4_t code, size_t code_bytes)
{
    if (visible_text_is_mark(code) && !visible_text_is_hidden(code) && !(walk->options & VISIBLE_ASCII)) {
        visible_text_show_mark(walk, code);
        return;
    }
    bool styles = visible_text_is_style_in_place(walk, code) && !(walk->options & VISIBLE_ASCII);
    if (styles) { // keeps its place among the marks: an enclosing one may follow
        visible_text_put(walk, code);
        return;
    }
    visible_text_tell_dropped_marks(walk);
    if (code == '\n' && (walk->options & VISIBLE_LINES)) {
        visible_text_show_newline(walk);
    } else if (code < 0x20 || code == 0x7F) {
        if (walk->options & VISIBLE_ASCII) {
            visible_text_put_code(walk, code);
        } else {
            visible_text_show_control(walk, code);
        }
    } else if (code > 0x7F && (walk->options & VISIBLE_ASCII)) {
        visible_text_put_code(walk, code);
    } else if (visible_text_is_joiner_in_place(walk, code, code_bytes)) {
        visible_text_put(walk, code);
        walk->before = code;
    } else if (visible_text_is_hidden(code)) {
        visible_text_put_code(walk, code);
        walk->before = '>';
        walk->emoji = false;
    } else {
        visible_text_show_plain(walk, code);
    }
}

static void visible_text_step(struct walk *walk)
{
    size_t tags = walk->options & VISIBLE_ASCII ? 0 : visible_text_flag_tags(walk);
    if (tags > 0) {
        fwrite(walk->text + walk->at, 1, tags, walk->out);
        walk->at += tags;
        walk->before = 0xE007F;
        return;
    }
    ucs4_t code;
    size_t bytes = visible_text_peek(walk, walk->at, &code);
    if (bytes == 0) {
        visible_text_tell_dropped_marks(walk);
        fprintf(walk->out, "<0x%02X>", walk->text[walk->at]);
        walk->before = '>';
        walk->emoji = false;
        walk->at++;
        return;
    }
    bool line_end = code == '\r' && (walk->options & VISIBLE_LINES) && walk->at + 1 < walk->bytes &&
                    walk->text[walk->at + 1] == '\n';
    if (!line_end) {
        visible_text_show(walk, code, bytes);
    }
    walk->at += bytes;
}

char *visible_text(const char *text, size_t text_bytes, unsigned options)
{
    char *result = NULL;
    size_t result_bytes = 0;
    struct walk walk = { .text = (const uint8_t *) text, .bytes = text_bytes, .options = options };
    walk.out = open_memstream(&result, &result_bytes);
    must(walk.out != NULL);

    while (walk.at < walk.bytes) {
        visible_text_step(&walk);
    }
    visible_text_tell_dropped_marks(&walk);
    must(fclose(walk.out) == 0);
    return result;
}

char *visible_string(const char *text, unsigned options)
{
    return visible_text(text, strlen(text), options);
}

size_t visible_width(const char *visible)
{
    int width = u8_strwidth((const uint8_t *) visible, "UTF-8");
    return width > 0 ? (size_t) width : 0;
}

// Breaks one line where its words end, and words longer than a line where they must.
static void visible_text_wrap_line(FILE *out, const char *line, size_t bytes, size_t columns, const char *indent)
{
    const uint8_t *text = (const uint8_t *) line;
    char *breaks = malloc(bytes + 1);
    char *graphemes = malloc(bytes + 1);
    must(breaks != NULL);
    must(graphemes != NULL);
    u8_width_linebreaks(text, bytes, (int) columns, 0, 0, NULL, "UTF-8", breaks);
    u8_grapheme_breaks(text, bytes, graphemes);

    fputs(indent, out);
    size_t column = 0;
    for (size_t at = 0; at < bytes;) {
        size_t end = at + 1;
        while (end < bytes && !graphemes[end]) {
            end++;
        }
        int width = u8_width(text + at, end - at, "UTF-8");
        size_t wide = width > 0 ? (size_t) width : 0;
        bool space_at_edge = line[at] == ' ' && column >= columns;
        if (breaks[at] == UC_BREAK_POSSIBLE || (column + wide > columns && !space_at_edge)) {
            fprintf(out, "\n%s", indent);
            column = 0;
        }
        if (!space_at_edge) {
            fwrite(line + at, 1, end - at, out);
        }
        column += wide;
        at = end;
    }
    fputc('\n', out);
    free(breaks);
    free(graphemes);
}

char *visible_wrap(const char *visible, size_t columns, const char *indent)
{
    char *result = NULL;
    size_t result_bytes = 0;
    FILE *out = open_memstream(&result, &result_bytes);
    must(out != NULL);

    size_t used = visible_width(indent);
    size_t room = columns > used + COLUMNS_MIN ? columns - used : COLUMNS_MIN;
    for (const char *line = visible; line != NULL;) {
        const char *end = strchr(line, '\n');
        visible_text_wrap_line(out, line, end != NULL ? (size_t) (end - line) : strlen(line), room, indent);
        line = end != NULL ? end + 1 : NULL;
    }
    must(fclose(out) == 0);
    return result;
}

char *visible_cut(const char *visible, size_t columns)
{
    size_t bytes = strlen(visible);
    if (visible_width(visible) <= columns || columns == 0) {
        return strndup(visible, columns == 0 ? 0 : bytes);
    }

    const uint8_t *text = (const uint8_t *) visible;
    const uint8_t *at = text;
    size_t column = 0;
    while (at < text + bytes) {
        const uint8_t *next = u8_grapheme_next(at, text + bytes);
        int width = u8_width(at, (size_t) (next - at), "UTF-8");
        size_t wide = width > 0 ? (size_t) width : 0;
        if (column + wide > columns - 1) {
            break;
        }
        column += wide;
        at = next;
    }
    char *result = NULL;
    must(asprintf(&result, "%.*s\u2026", (int) (at - text), visible) >= 0);
    return result;
}

unsigned visible_locale(void)
{
    const char *locale = setlocale(LC_ALL, "");
    bool unnamed = locale == NULL || strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0;
    if (unnamed && setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        return VISIBLE_ASCII;
    }
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? 0 : VISIBLE_ASCII;
}
