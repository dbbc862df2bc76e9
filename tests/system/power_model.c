// power_model.c - files, their sectors, and the folder's entries: see power_model.h.

#include "tests/system/power_model.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR_BYTES 512 // that a disk writes whole or not at all
#define NAMES 3
#define MOVES_MAX 64

static const char *const names[NAMES] = { "behalf.db", "behalf.db-wal", "behalf.db-journal" };

// Bytes of a file; those behind `count` are zero.
struct image {
    unsigned char *bytes;
    int64_t count;
    int64_t room;
};

// Written or cut off, and not synced since.
struct piece {
    unsigned char *bytes; // NULL: the file was truncated there
    int64_t at;
    int64_t count;
};

struct node {
    size_t entries; // that lead here
    struct image sure;
    struct image shown;
    struct piece *pieces;
    size_t piece_count;
    size_t piece_room;
};

// What the folder says of a name: a file, or none.
struct move {
    size_t name;
    struct node *node;
};

struct power_model {
    struct node *shown[NAMES];
    struct node *sure[NAMES];
    struct move moves[MOVES_MAX]; // since the folder was synced
    size_t move_count;
};

// ---- chance ----

uint64_t chance_next(uint64_t *chance)
{
    uint64_t mixed = *chance += UINT64_C(0x9E3779B97F4A7C15); // splitmix64 (Steele, Lea, Flood)

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

uint64_t chance_below(uint64_t *chance, uint64_t bound)
{
    return chance_next(chance) % bound;
}

// ---- images ----

static void image_set_count(struct image *image, int64_t count)
{
    if (count > image->room) {
        image->bytes = realloc(image->bytes, (size_t) count * 2);
        must(image->bytes != NULL);
        memset(image->bytes + image->room, 0, (size_t) (count * 2 - image->room));
        image->room = count * 2;
    }
    if (count < image->count) {
        memset(image->bytes + count, 0, (size_t) (image->count - count));
    }
    image->count = count;
}

static void image_put(struct image *image, int64_t at, const unsigned char *bytes, int64_t count)
{
    if (count > 0 && at + count > image->count) {
        image_set_count(image, at + count);
    }
    if (count > 0) {
        memcpy(image->bytes + at, bytes, (size_t) count);
    }
}

static void image_put_piece(struct image *image, const struct piece *piece)
{
    if (piece->bytes == NULL) {
        image_set_count(image, piece->at);
    } else {
        image_put(image, piece->at, piece->bytes, piece->count);
    }
}

static void image_copy(struct image *to, const struct image *from)
{
    image_set_count(to, 0);
    image_put(to, 0, from->bytes, from->count);
}

// ---- a file ----

static struct node *node_new(void)
{
    struct node *node = calloc(1, sizeof *node);

    must(node != NULL);
    return node;
}

static void node_forget_pieces(struct node *node)
{
    for (size_t i = 0; i < node->piece_count; i++) {
        free(node->pieces[i].bytes);
    }
    node->piece_count = 0;
}

static void node_let_go(struct node *node)
{
    if (node == NULL || --node->entries > 0) {
        return;
    }
    node_forget_pieces(node);
    free(node->pieces);
    free(node->sure.bytes);
    free(node->shown.bytes);
    free(node);
}

static void node_add_piece(struct node *node, const struct piece *piece)
{
    if (node->piece_count == node->piece_room) {
        node->piece_room = node->piece_room == 0 ? 64 : node->piece_room * 2;
        node->pieces = realloc(node->pieces, node->piece_room * sizeof *node->pieces);
        must(node->pieces != NULL);
    }
    node->pieces[node->piece_count++] = *piece;
}

static void node_change(struct node *node, const void *bytes, int64_t count, int64_t at)
{
    struct piece piece = { .at = at, .count = count };

    if (bytes != NULL) {
        piece.bytes = malloc((size_t) count + 1);
        must(piece.bytes != NULL);
        memcpy(piece.bytes, bytes, (size_t) count);
    }
    node_add_piece(node, &piece);
    image_put_piece(&node->shown, &piece);
}

static void node_sync(struct node *node)
{
    for (size_t i = 0; i < node->piece_count; i++) {
        image_put_piece(&node->sure, &node->pieces[i]);
    }
    node_forget_pieces(node);
}

static struct node *node_copy(const struct node *from)
{
    struct node *node = node_new();

    image_copy(&node->sure, &from->sure);
    image_copy(&node->shown, &from->shown);
    for (size_t i = 0; i < from->piece_count; i++) {
        struct piece piece = from->pieces[i];
        if (piece.bytes != NULL) {
            piece.bytes = malloc((size_t) piece.count + 1);
            must(piece.bytes != NULL);
            memcpy(piece.bytes, from->pieces[i].bytes, (size_t) piece.count);
        }
        node_add_piece(node, &piece);
    }
    return node;
}

// How far the disk came with what was not synced.
enum extent { EXTENT_ALL, EXTENT_NOTHING, EXTENT_IN_ORDER, EXTENT_ANY_SECTORS, EXTENTS };

// Up to which piece a sector was written.
static size_t node_pieces_of_sector(const struct node *node, enum extent extent, int64_t sector, size_t in_order,
                                    uint64_t seed)
{
    uint64_t chance = seed ^ hash_number((uint64_t) sector + 1);

    switch (extent) {
    case EXTENT_ALL:
        return node->piece_count;
    case EXTENT_NOTHING:
        return 0;
    case EXTENT_IN_ORDER: // the last of them torn
        return in_order + chance_below(&chance, 2);
    case EXTENT_ANY_SECTORS:
    case EXTENTS:
        break;
    }
    switch (chance_below(&chance, 5)) {
    case 0:
    case 1:
        return 0;
    case 2:
    case 3:
        return node->piece_count;
    default:
        return chance_below(&chance, node->piece_count + 1);
    }
}

// What is on the disk of a file: as sure, and of the pieces what chance says.
static void node_put_some(const struct node *node, struct image *image, uint64_t *chance)
{
    enum extent extent = (enum extent) chance_below(chance, EXTENTS);
    size_t in_order = (size_t) chance_below(chance, node->piece_count + 1);
    size_t truncated = (size_t) chance_below(chance, node->piece_count + 1); // up to which piece the file was cut off
    uint64_t seed = chance_next(chance);

    truncated = extent == EXTENT_ALL        ? node->piece_count
                : extent == EXTENT_NOTHING  ? 0
                : extent == EXTENT_IN_ORDER ? in_order
                                            : truncated;
    for (size_t i = 0; i < node->piece_count; i++) {
        const struct piece *piece = &node->pieces[i];
        if (piece->bytes == NULL) {
            if (i < truncated) {
                image_set_count(image, piece->at);
            }
            continue;
        }
        for (int64_t at = piece->at; at < piece->at + piece->count;) {
            int64_t sector = at / SECTOR_BYTES;
            int64_t end = (sector + 1) * SECTOR_BYTES;
            end = end < piece->at + piece->count ? end : piece->at + piece->count;
            if (i < node_pieces_of_sector(node, extent, sector, in_order, seed)) {
                image_put(image, at, piece->bytes + (at - piece->at), end - at);
            }
            at = end;
        }
    }
}

// ---- the folder ----

struct power_model *power_model_new(void)
{
    struct power_model *model = calloc(1, sizeof *model);

    must(model != NULL);
    return model;
}

void power_model_destroy(struct power_model **model_p)
{
    struct power_model *model = *model_p;

    if (model == NULL) {
        return;
    }
    for (size_t name = 0; name < NAMES; name++) {
        node_let_go(model->shown[name]);
        node_let_go(model->sure[name]);
    }
    for (size_t i = 0; i < model->move_count; i++) {
        node_let_go(model->moves[i].node);
    }
    free(model);
    *model_p = NULL;
}

static void power_model_point(struct node **entry, struct node *node)
{
    if (node != NULL) {
        node->entries++;
    }
    node_let_go(*entry);
    *entry = node;
}

static void power_model_move(struct power_model *model, size_t name, struct node *node)
{
    must(model->move_count < MOVES_MAX);
    struct move *move = &model->moves[model->move_count++];
    *move = (struct move){ .name = name };
    power_model_point(&move->node, node);
    power_model_point(&model->shown[name], node);
}

static void power_model_sync_folder(struct power_model *model)
{
    for (size_t i = 0; i < model->move_count; i++) {
        power_model_point(&model->sure[model->moves[i].name], model->moves[i].node);
        node_let_go(model->moves[i].node);
    }
    model->move_count = 0;
}

static size_t power_model_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t name = 0;

    must(slash != NULL);
    while (name < NAMES && strcmp(names[name], slash + 1) != 0) {
        name++;
    }
    must(name < NAMES); // SQLite has a file that this knows nothing of
    return name;
}

static void power_model_fail_to_sync(struct node *node, uint64_t *chance)
{
    node_put_some(node, &node->sure, chance);
    node_forget_pieces(node);
}

void power_model_happen(struct power_model *model, const struct disk_event *event, bool fails, uint64_t *chance)
{
    size_t name = power_model_name(event->path);
    struct node *node = model->shown[name];

    if (node == NULL && event->act == DISK_WRITE) {
        node = node_new();
        power_model_move(model, name, node);
    }
    if (node == NULL) {
        return; // of an empty file nothing matters
    }
    switch (event->act) {
    case DISK_WRITE:
        node_change(node, event->bytes, event->count, event->at);
        return;
    case DISK_TRUNCATE:
        node_change(node, NULL, 0, event->at);
        return;
    case DISK_SYNC:
        if (fails) {
            power_model_fail_to_sync(node, chance);
            return;
        }
        node_sync(node);
        break;
    case DISK_DELETE:
        power_model_move(model, name, NULL);
        break;
    }
    if (event->of_entry) {
        power_model_sync_folder(model);
    }
}

struct power_model *power_model_lose(const struct power_model *model, uint64_t *chance)
{
    struct power_model *after = power_model_new();
    struct node *entries[NAMES];
    size_t moves = (size_t) chance_below(chance, model->move_count + 1); // entries change in their order

    memcpy(entries, model->sure, sizeof entries);
    for (size_t i = 0; i < moves; i++) {
        entries[model->moves[i].name] = model->moves[i].node;
    }
    for (size_t name = 0; name < NAMES; name++) {
        if (entries[name] == NULL) {
            continue;
        }
        struct node *node = node_new();
        image_copy(&node->sure, &entries[name]->sure);
        node_put_some(entries[name], &node->sure, chance);
        image_copy(&node->shown, &node->sure);
        power_model_move(after, name, node);
    }
    power_model_sync_folder(after);
    return after;
}

// The copy of a file that several entries may lead to.
static struct node *power_model_copy_of(struct node *const *from, struct node **to, size_t count, size_t i)
{
    if (from[i] == NULL) {
        return NULL;
    }
    for (size_t earlier = 0; earlier < i; earlier++) {
        if (from[earlier] == from[i]) {
            return to[earlier];
        }
    }
    must(i < count);
    return node_copy(from[i]);
}

struct power_model *power_model_copy(const struct power_model *model)
{
    struct power_model *copy = power_model_new();
    struct node *from[2 * NAMES + MOVES_MAX];
    struct node *to[2 * NAMES + MOVES_MAX];
    size_t count = 2 * NAMES + model->move_count;

    memcpy(from, model->shown, sizeof model->shown);
    memcpy(from + NAMES, model->sure, sizeof model->sure);
    for (size_t i = 0; i < model->move_count; i++) {
        from[2 * NAMES + i] = model->moves[i].node;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = power_model_copy_of(from, to, count, i);
    }
    for (size_t i = 0; i < model->move_count; i++) {
        copy->moves[i].name = model->moves[i].name;
        power_model_point(&copy->moves[i].node, to[2 * NAMES + i]);
    }
    copy->move_count = model->move_count;
    for (size_t name = 0; name < NAMES; name++) {
        power_model_point(&copy->shown[name], to[name]);
        power_model_point(&copy->sure[name], to[NAMES + name]);
    }
    return copy;
}

struct power_model *power_model_read(const char *folder)
{
    struct power_model *model = power_model_new();
    char path[PATH_MAX];

    for (size_t name = 0; name < NAMES; name++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[name]);
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            continue;
        }
        struct node *node = node_new();
        unsigned char bytes[4096];
        for (size_t count = 0; (count = fread(bytes, 1, sizeof bytes, file)) > 0;) {
            image_put(&node->sure, node->sure.count, bytes, (int64_t) count);
        }
        must(fclose(file) == 0);
        image_copy(&node->shown, &node->sure);
        power_model_move(model, name, node);
    }
    power_model_sync_folder(model);
    return model;
}

void power_model_write(const struct power_model *model, const char *folder)
{
    char path[PATH_MAX];

    for (size_t name = 0; name < NAMES; name++) {
        const struct node *node = model->shown[name];
        snprintf(path, sizeof path, "%s/%s", folder, names[name]);
        (void) unlink(path);
        if (node == NULL) {
            continue;
        }
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(file >= 0);
        must(node->shown.count == 0 ||
             pwrite(file, node->shown.bytes, (size_t) node->shown.count, 0) == (ssize_t) node->shown.count);
        must(close(file) == 0);
    }
}
