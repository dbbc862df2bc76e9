// yaml_tree.c - a YAML text as a tree whose every node knows where it was written.

#include "broker/triage/yaml_tree.h"

#include "proto/base/must.h"

#include <yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536

// Nodes and texts live in blocks that are freed together.
struct block {
    struct block *next;
    size_t used;
    size_t bytes;
    _Alignas(16) char memory[];
};

struct yaml_tree {
    struct block *blocks;
    struct yaml_node *root;
    size_t node_count;
};

// What reading needs beside the tree.
struct reading {
    struct yaml_tree *tree;
    yaml_parser_t parser;
    yaml_report_function *report;
    void *argument;
    const char *text;
    size_t text_bytes;
    struct yaml_node *open;    // the list or map being filled; NULL at the top
    const char *key;           // in a map: the key read last, waiting for its value; else NULL
    struct yaml_mark key_mark; // of `key`
    size_t depth;
    size_t documents;
};

static void *yaml_tree_take_memory(struct yaml_tree *tree, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t) 15;
    struct block *block = tree->blocks;
    if (block == NULL || block->bytes - block->used < bytes) {
        size_t block_bytes = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = malloc(sizeof *block + block_bytes);
        must(block != NULL);
        block->next = tree->blocks;
        block->used = 0;
        block->bytes = block_bytes;
        tree->blocks = block;
    }
    void *memory = block->memory + block->used;
    block->used += bytes;
    return memory;
}

static const char *yaml_tree_take_text(struct yaml_tree *tree, const char *text, size_t bytes)
{
    char *copy = yaml_tree_take_memory(tree, bytes + 1);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

static struct yaml_mark yaml_tree_mark_of(const yaml_mark_t *mark)
{
    return (struct yaml_mark){ mark->line + 1, mark->column + 1 };
}

// libyaml tells an offset, not a line, for bytes that are not text.
static struct yaml_mark yaml_tree_mark_of_offset(const struct reading *reading, size_t offset)
{
    struct yaml_mark mark = { 1, 1 };
    for (size_t i = 0; i < offset && i < reading->text_bytes; i++) {
        if (reading->text[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((unsigned char) reading->text[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static void yaml_tree_report_at(struct reading *reading, struct yaml_mark mark, const char *key, const char *message)
{
    char path[YAML_TREE_PATH_BYTES] = "";
    if (reading->open != NULL) {
        yaml_node_path(reading->open, key, path);
    }
    reading->report(reading->argument, mark, path, message);
}

static void yaml_tree_report_parser(struct reading *reading)
{
    const yaml_parser_t *parser = &reading->parser;
    char message[512];
    struct yaml_mark mark = yaml_tree_mark_of(&parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    if (parser->error == YAML_READER_ERROR) {
        mark = yaml_tree_mark_of_offset(reading, parser->problem_offset);
        snprintf(message, sizeof message, "not text: %s; save the file as UTF-8", problem);
    } else if (strstr(problem, "cannot start any token") != NULL) {
        snprintf(message, sizeof message,
                 "no word may begin with this character (a tab, @, `, %%); put the text into \"quotes\"");
    } else if (parser->context != NULL) {
        snprintf(message, sizeof message,
                 "not YAML: %s (%s that begins in line %zu); check indentation, colons, quotes "
                 "and brackets",
                 problem, parser->context, parser->context_mark.line + 1);
    } else {
        snprintf(message, sizeof message, "not YAML: %s; check indentation, colons, quotes and brackets", problem);
    }
    yaml_tree_report_at(reading, mark, NULL, message);
}

// Appends a node to what is open and returns it; NULL when it is one too many.
static struct yaml_node *yaml_tree_add_node(struct reading *reading, enum yaml_kind kind, const yaml_mark_t *start)
{
    struct yaml_tree *tree = reading->tree;
    if (tree->node_count >= YAML_TREE_NODES_MAX) {
        return NULL;
    }
    tree->node_count++;

    struct yaml_node *node = yaml_tree_take_memory(tree, sizeof *node);
    *node = (struct yaml_node){ .kind = kind,
                                .text = "",
                                .mark = yaml_tree_mark_of(start),
                                .key_mark = yaml_tree_mark_of(start),
                                .parent = reading->open };
    struct yaml_node *parent = reading->open;
    if (parent == NULL) {
        tree->root = node;
        return node;
    }
    if (parent->kind == YAML_MAP) {
        must(reading->key != NULL);
        node->key = reading->key;
        node->key_mark = reading->key_mark;
        reading->key = NULL;
    }
    node->position = parent->count++;
    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
    return node;
}

static bool yaml_tree_refuse_extras(struct reading *reading, const yaml_event_t *event, const yaml_char_t *anchor,
                                    const yaml_char_t *tag)
{
    if (anchor != NULL) {
        yaml_tree_report_at(reading, yaml_tree_mark_of(&event->start_mark), NULL,
                            "anchors (&name) are not used here; write the text out, or put it into \"quotes\"");
        return false;
    }
    if (tag != NULL) {
        yaml_tree_report_at(reading, yaml_tree_mark_of(&event->start_mark), NULL,
                            "tags (!name) are not used here; put a text that begins with ! into \"quotes\"");
        return false;
    }
    return true;
}

static bool yaml_tree_take_key(struct reading *reading, const yaml_event_t *event)
{
    const char *text = (const char *) event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    if (memchr(text, '\0', bytes) != NULL) {
        yaml_tree_report_at(reading, yaml_tree_mark_of(&event->start_mark), NULL, "a key with a NUL character in it");
        return false;
    }
    reading->key = yaml_tree_take_text(reading->tree, text, bytes);
    reading->key_mark = yaml_tree_mark_of(&event->start_mark);
    return true;
}

static bool yaml_tree_read_scalar(struct reading *reading, const yaml_event_t *event)
{
    if (!yaml_tree_refuse_extras(reading, event, event->data.scalar.anchor, event->data.scalar.tag)) {
        return false;
    }
    if (reading->open != NULL && reading->open->kind == YAML_MAP && reading->key == NULL) {
        return yaml_tree_take_key(reading, event);
    }
    struct yaml_node *node = yaml_tree_add_node(reading, YAML_SCALAR, &event->start_mark);
    if (node == NULL) {
        return false;
    }
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = yaml_tree_take_text(reading->tree, (const char *) event->data.scalar.value, event->data.scalar.length);
    node->bytes = event->data.scalar.length;
    return true;
}

static bool yaml_tree_read_start(struct reading *reading, const yaml_event_t *event, enum yaml_kind kind)
{
    bool map = kind == YAML_MAP;
    if (!yaml_tree_refuse_extras(reading, event,
                                 map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
                                 map ? event->data.mapping_start.tag : event->data.sequence_start.tag)) {
        return false;
    }
    struct yaml_mark mark = yaml_tree_mark_of(&event->start_mark);
    if (reading->open != NULL && reading->open->kind == YAML_MAP && reading->key == NULL) {
        yaml_tree_report_at(reading, mark, NULL,
                            "a key must be a word, not a list or a map; check brackets and braces");
        return false;
    }
    if (reading->depth == YAML_TREE_DEPTH_MAX) {
        yaml_tree_report_at(reading, mark, NULL, "nested too deeply; the rules need no more than five levels");
        return false;
    }
    struct yaml_node *node = yaml_tree_add_node(reading, kind, &event->start_mark);
    if (node == NULL) {
        return false;
    }
    reading->open = node;
    reading->depth++;
    return true;
}

static int yaml_tree_by_key_then_position(const void *left, const void *right)
{
    const struct yaml_node *const *a = left;
    const struct yaml_node *const *b = right;
    int order = strcmp((*a)->key, (*b)->key);
    if (order != 0) {
        return order;
    }
    return (*a)->position < (*b)->position ? -1 : 1;
}

static void yaml_tree_report_repeated_keys(struct reading *reading, const struct yaml_node *map)
{
    if (map->count < 2) {
        return;
    }
    const struct yaml_node **sorted = malloc(map->count * sizeof *sorted);
    must(sorted != NULL);
    size_t count = 0;
    for (const struct yaml_node *child = map->first; child != NULL; child = child->next) {
        sorted[count++] = child;
    }
    qsort(sorted, count, sizeof *sorted, yaml_tree_by_key_then_position);
    size_t original = 0;
    for (size_t i = 1; i < count; i++) {
        if (strcmp(sorted[i]->key, sorted[original]->key) != 0) {
            original = i;
            continue;
        }
        char message[128];
        snprintf(message, sizeof message, "given twice, first in line %zu; keep one of them",
                 sorted[original]->key_mark.line);
        yaml_tree_report_at(reading, sorted[i]->key_mark, sorted[i]->key, message);
    }
    free(sorted);
}

static bool yaml_tree_read_end(struct reading *reading)
{
    must(reading->open != NULL);
    if (reading->open->kind == YAML_MAP) {
        yaml_tree_report_repeated_keys(reading, reading->open);
    }
    reading->open = reading->open->parent;
    reading->key = NULL;
    reading->depth--;
    return true;
}

static bool yaml_tree_read_document(struct reading *reading, const yaml_event_t *event)
{
    if (++reading->documents == 1) {
        return true;
    }
    yaml_tree_report_at(reading, yaml_tree_mark_of(&event->start_mark), NULL,
                        "a second document begins here (---); one file is one desk");
    return false;
}

static bool yaml_tree_read_event(struct reading *reading, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return yaml_tree_read_scalar(reading, event);
    case YAML_SEQUENCE_START_EVENT:
        return yaml_tree_read_start(reading, event, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return yaml_tree_read_start(reading, event, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return yaml_tree_read_end(reading);
    case YAML_DOCUMENT_START_EVENT:
        return yaml_tree_read_document(reading, event);
    case YAML_ALIAS_EVENT:
        yaml_tree_report_at(reading, yaml_tree_mark_of(&event->start_mark), NULL,
                            "aliases (*name) are not used here; a pattern that begins with * goes into \"quotes\"");
        return false;
    default:
        return true;
    }
}

// Reads to the end of the text; false when it had to stop before, which was reported.
static bool yaml_tree_read_all(struct reading *reading)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reading->parser, &event)) {
            yaml_tree_report_parser(reading);
            return false;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        bool good = yaml_tree_read_event(reading, &event);
        if (!good && reading->tree->node_count >= YAML_TREE_NODES_MAX) {
            yaml_tree_report_at(reading, yaml_tree_mark_of(&event.start_mark), NULL,
                                "too many words, lists and maps in one file");
        }
        yaml_event_delete(&event);
        if (!good) {
            return false;
        }
    }
    return true;
}

struct yaml_tree *yaml_tree_new(const char *text, size_t text_bytes, yaml_report_function *report, void *argument)
{
    struct yaml_tree *tree = calloc(1, sizeof *tree);
    must(tree != NULL);
    struct reading reading = {
        .tree = tree, .report = report, .argument = argument, .text = text, .text_bytes = text_bytes
    };
    must(yaml_parser_initialize(&reading.parser) == 1);
    yaml_parser_set_encoding(&reading.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reading.parser, (const unsigned char *) text, text_bytes);
    bool good = yaml_tree_read_all(&reading);
    yaml_parser_delete(&reading.parser);
    if (!good) {
        yaml_tree_destroy(&tree);
        return NULL;
    }
    if (tree->root == NULL) {
        yaml_mark_t start = { 0 };
        reading.open = NULL;
        yaml_tree_add_node(&reading, YAML_MAP, &start);
    }
    return tree;
}

void yaml_tree_destroy(struct yaml_tree **tree_p)
{
    struct yaml_tree *tree = *tree_p;
    if (tree == NULL) {
        return;
    }
    while (tree->blocks != NULL) {
        struct block *block = tree->blocks;
        tree->blocks = block->next;
        free(block);
    }
    free(tree);
    *tree_p = NULL;
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree)
{
    return tree->root;
}

const struct yaml_node *yaml_node_find(const struct yaml_node *map, const char *key)
{
    if (map->kind != YAML_MAP) {
        return NULL;
    }
    for (const struct yaml_node *child = map->first; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0) {
            return child;
        }
    }
    return NULL;
}

const char *yaml_node_path(const struct yaml_node *node, const char *key, char path[YAML_TREE_PATH_BYTES])
{
    const struct yaml_node *way[YAML_TREE_DEPTH_MAX + 1];
    size_t steps = 0;
    for (; node->parent != NULL; node = node->parent) {
        must(steps < YAML_TREE_DEPTH_MAX + 1);
        way[steps++] = node;
    }
    size_t used = 0;
    path[0] = '\0';
    while (steps > 0 && used < YAML_TREE_PATH_BYTES) {
        const struct yaml_node *step = way[--steps];
        int wrote = step->key != NULL
                        ? snprintf(path + used, YAML_TREE_PATH_BYTES - used, "%s%s", used > 0 ? "." : "", step->key)
                        : snprintf(path + used, YAML_TREE_PATH_BYTES - used, "[%zu]", step->position + 1);
        used += (size_t) wrote;
    }
    if (key != NULL && used < YAML_TREE_PATH_BYTES) {
        snprintf(path + used, YAML_TREE_PATH_BYTES - used, "%s%s", used > 0 ? "." : "", key);
    }
    return path;
}
