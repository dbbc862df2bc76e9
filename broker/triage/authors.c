// authors.c - names compared without case, and looked up among those that are nobody; see authors.h.

#include "broker/triage/authors.h"

#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

const char *const authors_anonymous[] = {
    // shop windows and maps
    "A Google User", "Google User", "Ein Google-Nutzer", "Un utilisateur Google", "Un usuario de Google",
    "Utilisateur Google", "Un utilisateur de Google", "Usuario de Google", "Un utente Google", "Un utente di Google",
    "Um usuário do Google", "Um utilizador do Google", "Een Google-gebruiker", "Użytkownik Google",
    "Пользователь Google", "Google ユーザー", "Google 用户", "Amazon Customer", "Kindle Customer",
    // networks
    "Facebook User", "Instagram User", "LinkedIn Member", "Reddit User", "[deleted]", "u/[deleted]", "[removed]",
    "deleted", "removed", "Deleted user", "Deleted account", "Account deleted", "Suspended user",
    // anybody's
    "Anonymous", "Anonymous user", "Anonym", "Anonyme", "Anónimo", "Anônimo", "Anonimo", "Anoniem", "匿名", "Guest",
    "Guest user", "Unknown", "Unknown user", "Nobody", "n/a", "None", "null", NULL
};

// Blanks at the ends go, and several in a row are one: exports pad and wrap names.
static void authors_close_up_blanks(char *text)
{
    size_t to = 0;
    for (size_t at = 0; text[at]; at++) {
        bool blank = strchr(" \t\r\n", text[at]) != NULL;
        if (!blank) {
            text[to++] = text[at];
        } else if (to && text[to - 1] != ' ') {
            text[to++] = ' ';
        }
    }
    if (to && text[to - 1] == ' ') {
        to--;
    }
    text[to] = '\0';
}

// The small letters of a name in ASCII, as most are; NULL for any other.
static char *author_fold_ascii(const char *author)
{
    size_t bytes = strlen(author);
    char *text = malloc(bytes + 1);
    must(text != NULL);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char) author[i];
        if (byte >= 0x80) {
            free(text);
            return NULL;
        }
        text[i] = (char) (byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
    }
    text[bytes] = '\0';
    return text;
}

char *author_fold(const char *author)
{
    size_t bytes = 0;
    char *ascii = author_fold_ascii(author);
    if (ascii != NULL) {
        authors_close_up_blanks(ascii);
        return ascii;
    }
    uint8_t *folded = u8_casefold((const uint8_t *) author, strlen(author), NULL, UNINORM_NFKC, NULL, &bytes);
    char *text = NULL;

    if (folded == NULL) {
        text = strdup(author);
        must(text);
        return text;
    }
    text = malloc(bytes + 1);
    must(text);
    memcpy(text, folded, bytes);
    text[bytes] = '\0';
    free(folded);
    authors_close_up_blanks(text);
    return text;
}

bool author_is_nobody(const struct policy_channel *channel, const char *folded)
{
    for (size_t i = 0; i < channel->anonymous_count; i++) {
        if (channel->anonymous[i][0] == folded[0] && strcmp(channel->anonymous[i], folded) == 0) {
            return true;
        }
    }
    return !*folded;
}
