// words.c - the texts by number and the table that finds their numbers; see words.h.

#include "broker/desk/words.h"

#include "proto/base/must.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct word {
    uint64_t hash;
    char *text;
    uint64_t users;
};

static uint64_t words_key_of(const void *element)
{
    return ((const struct word *) element)->hash;
}

void words_init(struct words *words)
{
    *words = (struct words){ .pool.element_bytes = sizeof(struct word) };
    words->texts = (struct lookup){ .pool = &words->pool, .key = words_key_of };
}

void words_fini(struct words *words)
{
    size_t place = 0;
    for (struct word *word; (word = lookup_next(&words->texts, &place));) {
        free(word->text);
    }
    lookup_fini(&words->texts);
    pool_fini(&words->pool);
}

// Of another text with the same hash the next one is free; should that text have gone meanwhile, a text may be kept
// twice, which harms nobody.
static uint64_t words_find_hash(const struct words *words, const char *text, uint32_t *number)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "behalf words key";
    uint64_t hash;
    crypto_shorthash((unsigned char *) &hash, (const unsigned char *) text, strlen(text), key);
    *number = lookup_find_number(&words->texts, hash);
    while (*number && strcmp(words_text(words, *number), text) != 0) {
        *number = lookup_find_number(&words->texts, ++hash);
    }
    return hash;
}

uint32_t words_keep(struct words *words, const char *text)
{
    if (text == NULL || !*text) {
        return 0;
    }
    uint32_t number;
    uint64_t hash = words_find_hash(words, text, &number);
    if (number) {
        ((struct word *) pool_at(&words->pool, number))->users++;
        return number;
    }
    struct word *word = pool_take(&words->pool, &number);
    *word = (struct word){ .hash = hash, .text = strdup(text), .users = 1 };
    must(word->text);
    lookup_put(&words->texts, number);
    return number;
}

void words_drop(struct words *words, uint32_t number)
{
    if (!number) {
        return;
    }
    struct word *word = pool_at(&words->pool, number);
    must(word->users);
    if (--word->users) {
        return;
    }
    lookup_remove(&words->texts, number);
    free(word->text);
    pool_give(&words->pool, number);
}

const char *words_text(const struct words *words, uint32_t number)
{
    return number ? ((const struct word *) pool_at(&words->pool, number))->text : "";
}
