// owner.c - a process's name made from the kernel's files, and compared with another: see owner.h.

#include "broker/store/owner.h"

#include "proto/base/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_FIELD 22 // of /proc/PID/stat: since boot, in ticks

static bool owner_mix_link(uint64_t *hash, const char *path)
{
    char target[64];
    ssize_t bytes = readlink(path, target, sizeof target - 1);

    if (bytes <= 0) {
        return false;
    }
    target[bytes] = '\0';
    *hash = hash_bytes(*hash, target);
    return true;
}

// Where process ids and start times mean the same as here: this boot, and namespaces, whose numbers are given again
// only when all in them have ended.  0: not known.
static uint64_t owner_find_machine(void)
{
    uint64_t hash = HASH_BEGIN;
    char boot[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (file == NULL) {
        return 0;
    }
    bool read = fgets(boot, sizeof boot, file) != NULL;
    fclose(file);
    hash = hash_bytes(hash, boot);
    bool whole = read && owner_mix_link(&hash, "/proc/self/ns/pid");
    (void) owner_mix_link(&hash, "/proc/self/ns/time"); // not on all kernels
    return whole ? hash : 0;
}

// 0: not known.
static uint64_t owner_find_start(long process)
{
    char path[64];
    char line[1024] = "";

    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *at = read ? strrchr(line, ')') : NULL; // the second field, a name that may hold anything
    for (int field = 2; at != NULL && field < START_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

void owner_name(char name[OWNER_NAME_BYTES])
{
    char host[65] = "";
    long process = (long) getpid();
    uint64_t machine = owner_find_machine();
    uint64_t start = owner_find_start(process);

    (void) gethostname(host, sizeof host - 1);
    int bytes = snprintf(name, OWNER_NAME_BYTES, "%s:%ld", host, process);
    if (machine != 0 && start != 0) {
        snprintf(name + bytes, OWNER_NAME_BYTES - (size_t) bytes, "/%016" PRIx64 ".%" PRIu64, machine, start);
    }
}

bool owner_is_dead(const char *name)
{
    const char *colon = strrchr(name, ':');
    char *slash = NULL;
    char *dot = NULL;
    char *end = NULL;

    if (colon == NULL) {
        return false;
    }
    long process = strtol(colon + 1, &slash, 10);
    uint64_t machine = *slash == '/' ? strtoull(slash + 1, &dot, 16) : 0;
    uint64_t start = dot != NULL && *dot == '.' ? strtoull(dot + 1, &end, 10) : 0;
    if (process <= 0 || process > INT32_MAX || machine == 0 || start == 0 || *end != '\0' ||
        machine != owner_find_machine()) {
        return false;
    }
    if (kill((pid_t) process, 0) != 0 && errno == ESRCH) {
        return true;
    }
    uint64_t present = owner_find_start(process);
    return present != 0 && present != start; // the number is another process's now
}
