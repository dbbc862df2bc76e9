// beyond.c - a desk that is behind what its clients have been told: its store was put back, or has lost something.
//
// WELCOME leaves only when its sequence is durable, so that a client which was told a higher one shows a loss.  So that
// nobody can stop a desk by making a number up, each sequence goes out with a proof: a keyed BLAKE2b of desk and
// sequence under a secret of the store's.  A proof of another desk, or of an earlier one of that name, says nothing.

#include "broker/session/core.h"

#include <assert.h>
#include <sodium.h>

#define PROOF_BYTES 16
static_assert(2 * PROOF_BYTES + 1 == BEYOND_PROOF_BYTES, "in hexadecimal");

void beyond_prove(const struct broker *broker, int64_t sequence, char proof[BEYOND_PROOF_BYTES])
{
    unsigned char key[crypto_generichash_KEYBYTES];
    unsigned char binary[PROOF_BYTES];
    char text[BEHALF_NAME_BYTES + 32];

    proof[0] = '\0';
    if (broker->secret[0] == '\0') {
        return;
    }
    int bytes = snprintf(text, sizeof text, "%" PRId64 " %s", sequence, rules_policy(broker->rules)->desk);
    crypto_generichash(key, sizeof key, (const unsigned char *) broker->secret, strlen(broker->secret), NULL, 0);
    crypto_generichash(binary, sizeof binary, (const unsigned char *) text, (unsigned long long) bytes, key,
                       sizeof key);
    sodium_bin2hex(proof, BEYOND_PROOF_BYTES, binary, sizeof binary);
}

static bool beyond_is_proved(const struct broker *broker, const struct behalf_hello *hello)
{
    char proof[BEYOND_PROOF_BYTES];

    beyond_prove(broker, hello->sequence, proof);
    return proof[0] != '\0' && strlen(hello->proof) == sizeof proof - 1 &&
           sodium_memcmp(proof, hello->proof, sizeof proof - 1) == 0;
}

bool beyond_allows(struct broker *broker, const struct behalf_hello *hello)
{
    uint64_t sequence = (uint64_t) hello->sequence;
    uint64_t present = desk_sequence(broker->desk);

    if (sequence <= present || broker->options.accept_loss || !beyond_is_proved(broker, hello)) {
        return true;
    }
    if (sequence > broker->told_beyond) {
        broker->told_beyond = sequence;
        broker_log(broker, "error", "store",
                   "%s %s was told of sequence %" PRIu64 ", the desk is at %" PRIu64 ": it has lost what it had"
                   " acknowledged",
                   hello->role, hello->name, sequence, present);
    }
    return false;
}

uint64_t broker_told_beyond(const struct broker *broker)
{
    return broker->told_beyond;
}
