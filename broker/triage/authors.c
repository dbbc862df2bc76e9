// authors.c - names compared without case, and looked up among those that are nobody; see authors.h.

#include "broker/triage/authors.h"

#include "proto/must.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

const char *const authors_anonymous[] = {
    // shop windows and maps
    "A Google User", "Google User", "Ein Google-Nutzer", "Un utilisateur Google", "Un usuario de Google",
    "Un utente Google", "Um usuário do Google", "Een Google-gebruiker", "Google ユーザー", "Amazon Customer",
    "Kindle Customer",
    // networks
    "Facebook User", "Instagram User", "LinkedIn Member", "Reddit User", "[deleted]", "[removed]", "deleted", "removed",
    "Deleted user", "Deleted account", "Account deleted", "Suspended user",
    // anybody's
    "Anonymous", "Anonymous user", "Anonym", "Anonyme", "Anónimo", "Anônimo", "Anonimo", "Anoniem", "匿名", "Guest",
    "Guest user", "Unknown", "Unknown user", "Nobody", "n/a", "None", "null", NULL
};

char *author_fold(const char *author)
{
    size_t bytes = 0;
    uint8_t *folded = u8_casefold((const uint8_t *) author, strlen(author), NULL, UNINORM_NFKC, NULL, &bytes);
    char *text = NULL;

    if (!folded) {
        text = strdup(author);
        must(text);
        return text;
    }
    text = malloc(bytes + 1);
    must(text);
    memcpy(text, folded, bytes);
    text[bytes] = '\0';
    free(folded);
    return text;
}

bool author_is_nobody(const struct policy_channel *channel, const char *folded)
{
    for (size_t i = 0; i < channel->anonymous_count; i++) {
        if (!strcmp(channel->anonymous[i], folded))
            return true;
    }
    return !*folded;
}
