// postgres_cluster.c - initdb, the server as a process, and its end: see postgres_cluster.h.

#include "tests/system/postgres_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PROGRAMS "/usr/lib/postgresql/15/bin"
#define START_MS 60000

struct postgres_cluster {
    char folder[64];
    char data[96];
    int port;
    pid_t server; // 0: not running
    char url[160];
    char url_by[160];
    char administrator[160];
    char value[1024];
};

bool postgres_cluster_possible(void)
{
    if (access(PROGRAMS "/postgres", X_OK) != 0 || access(PROGRAMS "/initdb", X_OK) != 0) {
        print_message("skipped: no PostgreSQL 15 server in " PROGRAMS " (Debian's package postgresql)\n");
        return false;
    }
    if (geteuid() == 0 && getpwnam("postgres") == NULL) {
        print_message("skipped: the server refuses to run as root, and there is no user postgres\n");
        return false;
    }
    return true;
}

int postgres_cluster_find_port(void)
{
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;

    assert_true(listening >= 0);
    assert_int_equal(bind(listening, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *) &address, &bytes), 0);
    (void) close(listening);
    return ntohs(address.sin_port);
}

// In the child: what runs as root goes on as postgres.
static void become_server_user(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

    if (user != NULL && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
        _exit(126);
    }
}

static pid_t spawn(const struct postgres_cluster *cluster, const char *const *argv, bool with_us)
{
    pid_t parent = getpid();
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char log[128];
        (void) setpgid(0, 0);
        become_server_user();
        if (with_us && (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != parent)) {
            _exit(126);
        }
        snprintf(log, sizeof log, "%s/log", cluster->folder);
        int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        int none = open("/dev/null", O_RDONLY);
        if (file < 0 || none < 0 || dup2(none, 0) < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0 ||
            chdir(cluster->folder) != 0) {
            _exit(126);
        }
        (void) close_range(3, ~0U, 0);
        execv(argv[0], (char **) argv);
        _exit(127);
    }
    return child;
}

static void show_log(const struct postgres_cluster *cluster)
{
    char line[512];

    snprintf(line, sizeof line, "%s/log", cluster->folder);
    FILE *file = fopen(line, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        print_message("%s", line);
    }
    if (file != NULL) {
        (void) fclose(file);
    }
}

static void run(const struct postgres_cluster *cluster, const char *const *argv)
{
    int status = 0;
    pid_t child = spawn(cluster, argv, false);

    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        show_log(cluster);
        fail_msg("%s failed", argv[0]);
    }
}

static void write_settings(const struct postgres_cluster *cluster)
{
    char path[128];

    snprintf(path, sizeof path, "%s/postgresql.auto.conf", cluster->data);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\nfsync = on\n"
            "shared_buffers = '64MB'\nmax_connections = 30\nlog_min_messages = warning\n"
            "password_encryption = 'scram-sha-256'\nmax_wal_size = '1GB'\n",
            cluster->port, cluster->folder);
    assert_int_equal(fclose(file), 0);
    snprintf(path, sizeof path, "%s/pg_hba.conf", cluster->data);
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
                  "local replication all trust\n");
    assert_int_equal(fclose(file), 0);
}

// Whether the server lets a superuser in.
static bool answers(const struct postgres_cluster *cluster)
{
    PGconn *link = PQconnectdb(cluster->administrator);
    bool up = PQstatus(link) == CONNECTION_OK;

    PQfinish(link);
    return up;
}

void postgres_cluster_begin(struct postgres_cluster *cluster)
{
    const char *argv[] = { PROGRAMS "/postgres", "-D", cluster->data, NULL };

    assert_int_equal(cluster->server, 0);
    cluster->server = spawn(cluster, argv, true);
}

static void await_answers(struct postgres_cluster *cluster)
{
    for (int waited_ms = 0; !answers(cluster); waited_ms += 20) {
        if (waited_ms > START_MS || waitpid(cluster->server, NULL, WNOHANG) == cluster->server) {
            show_log(cluster);
            fail_msg("the server did not come up");
        }
        (void) poll(NULL, 0, 20);
    }
}

void postgres_cluster_start(struct postgres_cluster *cluster)
{
    postgres_cluster_begin(cluster);
    await_answers(cluster);
}

static void end(struct postgres_cluster *cluster, int signal)
{
    if (cluster->server != 0) {
        (void) kill(cluster->server, signal);
        (void) waitpid(cluster->server, NULL, 0);
        cluster->server = 0;
    }
}

void postgres_cluster_stop(struct postgres_cluster *cluster)
{
    end(cluster, SIGINT);
}

void postgres_cluster_crash(struct postgres_cluster *cluster)
{
    end(cluster, SIGQUIT);
}

// Waits until a process has ended, of whom we are not the parent; it may be there still for its parent to see.
static void kill_and_await(pid_t process)
{
    int handle = pidfd_open(process, 0);

    assert_true(handle >= 0);
    (void) kill(process, SIGKILL);
    struct pollfd ended = { .fd = handle, .events = POLLIN };
    assert_int_equal(poll(&ended, 1, START_MS), 1);
    (void) close(handle);
}

// The next server refuses to start as long as a child of this one holds the shared memory, so all of them end first.
// The server is stopped meanwhile: it can neither make more of them nor clear away those that have ended.
void postgres_cluster_kill(struct postgres_cluster *cluster)
{
    char path[128];
    int status = 0;

    assert_true(cluster->server > 0);
    pid_t server = cluster->server;
    (void) kill(server, SIGSTOP);
    assert_int_equal(waitpid(server, &status, WUNTRACED), server);
    assert_true(WIFSTOPPED(status));
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long) server, (long) server);
    FILE *children = fopen(path, "re");
    assert_non_null(children);
    long child = 0;
    while (fscanf(children, "%ld", &child) == 1) {
        kill_and_await((pid_t) child);
    }
    (void) fclose(children);
    end(cluster, SIGKILL);
}

static void run_plain(const char *conninfo, const char *sql, char *value, size_t value_bytes)
{
    PGconn *link = PQconnectdb(conninfo);

    if (PQstatus(link) != CONNECTION_OK) {
        fail_msg("%s", PQerrorMessage(link));
    }
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fail_msg("%s: %s", sql, PQerrorMessage(link));
    }
    if (value != NULL) {
        snprintf(value, value_bytes, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    }
    PQclear(result);
    PQfinish(link);
}

const char *postgres_cluster_sql(struct postgres_cluster *cluster, const char *sql)
{
    char conninfo[192];

    snprintf(conninfo, sizeof conninfo, "%s dbname=behalf", cluster->administrator);
    run_plain(conninfo, sql, cluster->value, sizeof cluster->value);
    return cluster->value;
}

struct postgres_cluster *postgres_cluster_new(void)
{
    struct postgres_cluster *cluster = calloc(1, sizeof *cluster);
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

    assert_non_null(cluster);
    snprintf(cluster->folder, sizeof cluster->folder, "/tmp/behalf-postgres-XXXXXX");
    assert_non_null(mkdtemp(cluster->folder));
    assert_int_equal(user == NULL ? 0 : chown(cluster->folder, user->pw_uid, user->pw_gid), 0);
    snprintf(cluster->data, sizeof cluster->data, "%s/data", cluster->folder);
    cluster->port = postgres_cluster_find_port();
    snprintf(cluster->administrator, sizeof cluster->administrator,
             "host=%s port=%d user=postgres connect_timeout=5 dbname=postgres", cluster->folder, cluster->port);
    snprintf(cluster->url, sizeof cluster->url, "postgresql://behalf:secret@127.0.0.1:%d/behalf", cluster->port);
    const char *argv[] = { PROGRAMS "/initdb", "-D", cluster->data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                           "--no-locale",      "-N", NULL };
    run(cluster, argv);
    write_settings(cluster);
    postgres_cluster_start(cluster);
    run_plain(cluster->administrator, "CREATE ROLE behalf LOGIN PASSWORD 'secret'", NULL, 0);
    run_plain(cluster->administrator, "CREATE DATABASE behalf OWNER behalf", NULL, 0);
    return cluster;
}

void postgres_cluster_destroy(struct postgres_cluster **cluster_p)
{
    struct postgres_cluster *cluster = *cluster_p;

    if (cluster == NULL) {
        return;
    }
    end(cluster, SIGQUIT);
    const char *argv[] = { "/bin/rm", "-rf", cluster->data, NULL };
    char log[128];
    run(cluster, argv);
    snprintf(log, sizeof log, "%s/log", cluster->folder);
    (void) unlink(log);
    if (rmdir(cluster->folder) != 0) {
        print_message("%s is left behind\n", cluster->folder);
    }
    free(cluster);
    *cluster_p = NULL;
}

const char *postgres_cluster_url(const struct postgres_cluster *cluster)
{
    return cluster->url;
}

const char *postgres_cluster_url_by(struct postgres_cluster *cluster, int port)
{
    snprintf(cluster->url_by, sizeof cluster->url_by, "postgresql://behalf:secret@127.0.0.1:%d/behalf", port);
    return cluster->url_by;
}

int postgres_cluster_port(const struct postgres_cluster *cluster)
{
    return cluster->port;
}

const char *postgres_cluster_administrator(const struct postgres_cluster *cluster)
{
    return cluster->administrator;
}

void postgres_cluster_watch_releases(struct postgres_cluster *cluster)
{
    (void) postgres_cluster_sql(
        cluster,
        "CREATE TABLE IF NOT EXISTS public.release (journal_rows bigint); TRUNCATE public.release;"
        "CREATE OR REPLACE FUNCTION public.note_release() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
        " BEGIN INSERT INTO public.release SELECT count(*) FROM behalf.journal AS j WHERE j.desk = NEW.desk;"
        " RETURN NULL; END $$;"
        "CREATE OR REPLACE TRIGGER note_release AFTER UPDATE ON behalf.lease FOR EACH ROW"
        " WHEN (OLD.held AND NOT NEW.held) EXECUTE FUNCTION public.note_release()");
}

void postgres_cluster_releases(struct postgres_cluster *cluster, int *count, int *rows)
{
    *count = atoi(postgres_cluster_sql(cluster, "SELECT count(*) FROM public.release"));
    *rows = atoi(postgres_cluster_sql(cluster, "SELECT coalesce(sum(journal_rows), 0) FROM public.release"));
}

// ---- groups of tests ----

int postgres_cluster_set_up_group(void **state)
{
    *state = postgres_cluster_new();
    return 0;
}

int postgres_cluster_tear_down_group(void **state)
{
    struct postgres_cluster *cluster = *state;

    postgres_cluster_destroy(&cluster);
    return 0;
}
