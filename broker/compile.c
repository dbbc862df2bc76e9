// compile.c - the thread that compiles rules, and how it takes and hands back; see compile.h.

#include "broker/compile.h"

#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct compile {
    pthread_t thread;
    int fd;
    const char *text;
    uint64_t version;
    const struct rules *previous;
    struct rules *rules; // written by the thread until it has ended
    struct rules_problems problems;
};

static void *compile_run(void *self)
{
    struct compile *compile = self;
    uint64_t one = 1;

    compile->rules =
        rules_new(compile->text, strlen(compile->text), compile->previous, compile->version, &compile->problems);
    must(write(compile->fd, &one, sizeof one) == (ssize_t) sizeof one);
    return NULL;
}

struct compile *compile_start(const char *text, uint64_t version, const struct rules *previous)
{
    struct compile *compile = calloc(1, sizeof *compile);

    must(compile != NULL);
    compile->text = text;
    compile->version = version;
    compile->previous = previous;
    compile->fd = eventfd(0, EFD_CLOEXEC);
    must(compile->fd >= 0);
    thread_start(&compile->thread, compile_run, compile);
    return compile;
}

int compile_fd(const struct compile *compile)
{
    return compile->fd;
}

struct rules *compile_take(struct compile **compile_p, struct rules_problems *problems)
{
    struct compile *compile = *compile_p;

    must(pthread_join(compile->thread, NULL) == 0);
    close(compile->fd);
    struct rules *rules = compile->rules;
    *problems = compile->problems;
    free(compile);
    *compile_p = NULL;
    return rules;
}
