// former_store.h - a store on SQLite as the version before made it, with rows in every table.

#ifndef TESTS_FORMER_STORE_H
#define TESTS_FORMER_STORE_H

#define FORMER_SCHEMA 8 // the last whose tables are rewritten; its pages have checksums already
#define FORMER_SEQUENCE 90

// Makes the file behalf.db in a folder, for this desk.  Its rows make no sense, but for what migrations look at.
void former_store_make(const char *folder, const char *desk);

#endif
