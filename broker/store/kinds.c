// kinds.c - the kinds of engines that there are.

#include "broker/store/engine.h"

static const struct engine_kind kinds_of_folders = {
    .open = engine_sqlite_open,
    .open_reports = engine_sqlite_open_reports,
    .accept_loss = engine_sqlite_accept_loss,
    .note_told = engine_sqlite_note_told,
};

static const struct engine_kind kinds_of_databases = {
    .open = engine_postgres_open,
    .open_reports = engine_postgres_open_reports,
    .accept_loss = engine_postgres_accept_loss,
    .probe = engine_postgres_probe,
};

const struct engine_kind *engine_kind_of(bool is_shared)
{
    return is_shared ? &kinds_of_databases : &kinds_of_folders;
}
