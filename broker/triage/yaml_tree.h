// yaml_tree.h - a YAML text as a tree whose every node knows where it was written.
//
// Made from libyaml's events rather than its documents, so that depth and size are bounded before anything
// is built.  What rules of engagement have no use for is refused: anchors and aliases (with which a short
// text stands for an enormous one), tags, several documents, keys that are not plain words, keys given
// twice.  What the keys mean is not decided here.

#ifndef TRIAGE_YAML_TREE_H
#define TRIAGE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#define YAML_TREE_DEPTH_MAX 12     // the rules use 5
#define YAML_TREE_NODES_MAX 200000 // a text of BEHALF_RULES_BYTES cannot have more than one for two bytes
#define YAML_TREE_PATH_BYTES 256   // a node's path at most, with NUL; a longer one is cut

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

// Where something was written, both from 1; columns are counted in characters.
struct yaml_mark {
    size_t line;
    size_t column;
};

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;               // scalar: written with quotes or as a block
    const char *text;          // scalar: its text, ends with NUL; else ""
    size_t bytes;              // scalar: length of `text`, which may have a NUL inside
    const char *key;           // in a map: the key that leads here; else NULL
    struct yaml_mark mark;     // where the node begins
    struct yaml_mark key_mark; // in a map: where the key begins; else as `mark`
    struct yaml_node *parent;  // NULL of the root
    struct yaml_node *first;   // list, map: first of `count` children
    struct yaml_node *last;
    struct yaml_node *next; // among its parent's children
    size_t count;
    size_t position; // among its parent's children, from 0
};

struct yaml_tree;

// Told about everything that is wrong with a text.
typedef void yaml_report_function(void *argument, struct yaml_mark mark, const char *key, const char *message);

// Reads a text.  Returns the tree, or NULL when it cannot be read as YAML; either way each problem was
// reported.  A text without anything in it is an empty map.
struct yaml_tree *yaml_tree_new(const char *text, size_t text_bytes, yaml_report_function *report, void *argument);
void yaml_tree_destroy(struct yaml_tree **tree_p);

// The outermost node.  Nodes belong to the tree.
const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree);

// The child of a map with this key, or NULL.
const struct yaml_node *yaml_node_find(const struct yaml_node *map, const char *key);

// Writes a node's path into `path`, "brands.acme.patterns[3]", with `.key` behind it unless `key` is NULL.
// Returns `path`.
const char *yaml_node_path(const struct yaml_node *node, const char *key, char path[YAML_TREE_PATH_BYTES]);

#endif
