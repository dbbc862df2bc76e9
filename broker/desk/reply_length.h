// reply_length.h - how long a text is, as a platform counts it.
//
// Every length that is told anywhere (the room an ITEM leaves, a PREVIEW, what ANSWER refuses, what `check` says of a
// disclosure line) comes from here.  Nothing here knows what a reply is made of.

#ifndef DESK_REPLY_LENGTH_H
#define DESK_REPLY_LENGTH_H

#include <stdint.h>

enum counting {
    COUNTING_CHARACTERS, // code points
    COUNTING_GRAPHEMES,  // what a reader takes for one character (Unicode Standard Annex 29)
    COUNTING_X,          // as twitter-text 3: most of what is not Latin counts twice, an emoji twice
    COUNTING_BLUESKY,    // graphemes, and 3,000 bytes at most
    COUNTING_MASTODON,   // graphemes; of a mention of somebody elsewhere the name alone
    COUNTING_BYTES,      // of UTF-8
    COUNTING_SMS,        // letters of the GSM alphabet, see reply_length
    COUNTING_COUNT
};

// What a platform takes when the rules do not say.
struct counting_defaults {
    const char *name;    // as the rules say it
    const char *unit;    // of a length, in the plural
    int64_t length_max;  // 0: no limit
    int64_t link_length; // what each link counts; 0: as it is written
    int64_t bytes_max;   // besides the length; 0: no limit
};

// Borrowed, for good.
const struct counting_defaults *counting_defaults(enum counting counting);

// The length of a valid UTF-8 text.  `link_length` is what each link counts, 0 for as it is written.
//
// An SMS has 160 letters of the GSM alphabet, of which some count twice, or 70 UTF-16 units where one letter is of no
// such alphabet; those that are split have 153 or 67 each.  So that one limit does for both, a unit counts as 160/70
// (153/67) letters, rounded up over the whole.
// Sources: twitter-text 3, config/v3.json; Mastodon, StatusLengthValidator; Bluesky, app.bsky.feed.post;
// 3GPP TS 23.038, 6.2.1, and TS 23.040, 9.2.3.24.1.
int64_t reply_length(enum counting counting, int64_t link_length, const char *text);

#endif
