// hostile_texts.c - posts as long as may be, each the dearest for some step of triage.

#include "tests/bench/hostile_texts.h"

#include <string.h>

// Each text is its unit again and again.
static const struct {
    const char *name;
    const char *unit;
} texts[] = {
    { "dots", "." },
    { "dots and letters", "a." },
    { "host names", "a.com." },
    { "U+FDFA, which is 18 letters", "\uFDFA" },
    { "U+FDFA and dots", "\uFDFA." },
    { "squared words", "\u3316" },
    { "marks", "\u0301" },
    { "stacks of marks", "e\u0301\u0316\u0317\u0318\u0319\u0336\u031B" },
    { "marks out of order", "a\u0315\u0300\u05AEb" },
    { "emoji", "\U0001F602" },
    { "emoji in words", "ra\U0001F621cist" },
    { "families", "\U0001F468\u200D\U0001F469\u200D\U0001F467" },
    { "flags", "\U0001F1E9\U0001F1EA" },
    { "hashtags", "#ab " },
    { "hashtags of many words", "#AbCdEf" },
    { "one long hashtag", "aB" },
    { "one hashtag of a pattern", "lawyer" },
    { "hashtags of one letter", "#a" },
    { "hash signs", "#" },
    { "at signs", "@" },
    { "at signs and blanks", "@ " },
    { "accounts", "@a " },
    { "mail addresses", "a@b.c " },
    { "colons and slashes", "://" },
    { "links", "https://a.b/c " },
    { "one letter words", "a " },
    { "single letters", "l.a.w.y.e.r" },
    { "letters and stars", "a*" },
    { "letters and digits", "r4c1s7 " },
    { "stretched letters", "raaaciiisttt " },
    { "one letter", "a" },
    { "two letters", "ab" },
    { "capitals", "A" },
    { "zero width", "a\u200B" },
    { "zero width alone", "\u200B" },
    { "look-alikes", "r\u0430\u0441ist " },
    { "Cyrillic and Latin letters", "a\u0430" },
    { "turned letters", "\u0287\u0254\u028Eoq " },
    { "right-to-left overrides", "\u202Eab\u202C" },
    { "soft hyphens", "a\u00AD" },
    { "entities", "&amp;" },
    { "entities cut off", "&#1" },
    { "ampersands", "&" },
    { "blanks", " " },
    { "kana", "\u3051\u304C" },
    { "Han", "\u6CD5\u5F8B" },
    { "Hangul parts", "\u1100\u1161\u11A8" },
    { "Hangul", "\uBCC0\uD638\uC0AC\uB97C " },
    { "Arabic", "\u0627\u0644\u0645\u062D\u0627\u0645\u064A " },
    { "Devanagari", "\u0915\u094D\u0937\u093F" },
    { "Thai", "\u0E17\u0E19\u0E32\u0E22" },
    { "umlauts", "\u00E4\u00F6\u00FC" },
    { "apostrophes", "'" },
    { "letters and apostrophes", "a'" },
    { "hyphens", "-" },
    { "emoticons", ":D" },
    { "a pattern's beginnings", "small claims " },
    { "a pattern again and again", "lawyer" },
    { "words of grammar", "the of and to " },
    { "hosts of one script", "a.\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436"
                             "\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436" },
    { "hosts that might end early", "a.\u0440\u0444\u0444\u0444\u0444\u0444\u0444\u0444\u0444\u0444" },
    { "hosts in capitals", "a.\u0416\u0416\u0416\u0416\u0416\u0416\u0416\u0416\u0416\u0416\u0416" },
    { "hosts of one letter", "a." },
    { "hosts", "a.com " },
    { "links", "https://a.com/(a) " },
    { "card numbers", "4111 1111 1111 111" },
    { "digits", "4" },
    { "NUL-like bytes", "\x01" },
    { "bytes that are no UTF-8", "\xFF" },
    { "beginnings of characters", "\xF0\x9F" },
};

size_t hostile_text_count(void)
{
    return sizeof texts / sizeof texts[0];
}

const char *hostile_text_name(size_t index)
{
    return texts[index].name;
}

void hostile_text_write(size_t index, char text[HOSTILE_TEXT_BYTES + 1])
{
    const char *unit = texts[index].unit;
    size_t unit_bytes = strlen(unit);
    size_t bytes = 0;
    for (; bytes + unit_bytes <= HOSTILE_TEXT_BYTES; bytes += unit_bytes) {
        memcpy(text + bytes, unit, unit_bytes);
    }
    text[bytes] = '\0';
    if (strncmp(texts[index].name, "one ", 4) == 0 && strstr(texts[index].name, "hashtag") != NULL) {
        text[0] = '#';
    }
}
