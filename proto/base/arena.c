// arena.c - chunks that grow with use, from two kilobytes to sixty-four; what is larger gets its own.

#include "proto/base/arena.h"

#include "proto/base/must.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_BYTES_MIN ((size_t) 2 * 1024)
#define CHUNK_BYTES_MAX ((size_t) 64 * 1024)

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; // in `memory`
    size_t used;
    alignas(max_align_t) char memory[];
};

static size_t arena_round_up(size_t bytes)
{
    const size_t unit = alignof(max_align_t);

    must(bytes <= SIZE_MAX / 2);
    return (bytes + unit - 1) / unit * unit;
}

static void arena_add_chunk(struct arena *arena, size_t wanted)
{
    size_t bytes = arena->newest == NULL ? CHUNK_BYTES_MIN : arena->newest->bytes * 2;

    if (bytes > CHUNK_BYTES_MAX) {
        bytes = CHUNK_BYTES_MAX;
    }
    if (bytes < wanted) {
        bytes = wanted;
    }
    struct arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    must(chunk != NULL);
    *chunk = (struct arena_chunk){ .older = arena->newest, .bytes = bytes };
    arena->newest = chunk;
    arena->bytes += sizeof *chunk + bytes;
}

void arena_fini(struct arena *arena)
{
    while (arena->newest != NULL) {
        struct arena_chunk *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
    arena->bytes = 0;
}

void *arena_allocate(struct arena *arena, size_t bytes)
{
    bytes = arena_round_up(bytes == 0 ? 1 : bytes);
    if (arena->newest == NULL || arena->newest->bytes - arena->newest->used < bytes) {
        arena_add_chunk(arena, bytes);
    }
    struct arena_chunk *chunk = arena->newest;
    void *piece = chunk->memory + chunk->used;
    chunk->used += bytes;
    return memset(piece, 0, bytes);
}

const char *arena_text_part(struct arena *arena, const char *text, size_t bytes)
{
    if (bytes == 0) {
        return "";
    }
    char *copy = arena_allocate(arena, bytes + 1);
    memcpy(copy, text, bytes);
    return copy;
}

const char *arena_text(struct arena *arena, const char *text)
{
    return text == NULL ? "" : arena_text_part(arena, text, strlen(text));
}
