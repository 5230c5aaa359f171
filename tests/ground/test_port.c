/* test_port.c: what the system is asked, with cgroups of a made-up folder tree. */
#include "suite.h"

#include "ground/port.h"

#include <ftw.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- cgroups ---- */

static char root[] = "/tmp/parcel-port-XXXXXX";

/* Writes a file of the tree, and the folders on the way to it. */
static void write_file(const char *path, const char *text)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(full, 0700);
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

/* Each case has a tree of its own; a file's path is relative to the root, and "process" is what
 * /proc/self/cgroup says. */
static const struct {
    int cpus;
    const char *files[8][2];
} trees[] = {
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "max 100000\n"}}},
    {2, {{"process", "0::/a\n"}, {"a/cpu.max", "150000 100000\n"}}},
    {1, {{"process", "0::/a\n"}, {"a/cpu.max", "100000 100000\n"}}},
    {1, {{"process", "0::/a\n"}, {"a/cpu.max", "1000 100000\n"}}},
    {3, {{"process", "0::/a/b/c\n"}, {"a/b/c/cpu.max", "max 100000\n"}, {"a/cpu.max", "3 1\n"}}},
    {3, {{"process", "0::/a/b\n"}, {"a/b/x", ""}, {"a/cpu.max", "300000 100000"}}},
    {2, {{"process", "0::/a/b\n"}, {"a/b/cpu.max", "4 1\n"}, {"a/cpu.max", "2 1\n"}}},
    {4, {{"process", "0::/a/b\n"}, {"a/b/cpu.max", "4 1\n"}, {"a/cpu.max", "9 1\n"}}},
    {5, {{"process", "0::/\n"}, {"cpu.max", "5 1\n"}}},
    {5, {{"process", "0::/gone/too\n"}, {"cpu.max", "5 1\n"}}},
    {6, {{"process", "0::/a\n"}, {"b/cpu.max", "1 1\n"}, {"cpu.max", "6 1\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}}},
    {INT_MAX, {{"process", ""}, {"cpu.max", "1 1\n"}}},
    {INT_MAX, {{"other", "0::/\n"}, {"cpu.max", "1 1\n"}}},
    {INT_MAX, {{"process", "garbage\n:\n::\n0:\n"}, {"a/cpu.max", "1 1\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "garbage\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", ""}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "100000\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "100000 0\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "-100000 100000\n"}}},
    {INT_MAX, {{"process", "0::/a\n"}, {"a/cpu.max", "1e300 1e-300\n"}}},
    {3,
     {{"process", "4:cpu,cpuacct:/a\n"},
      {"cpu/a/cpu.cfs_quota_us", "250000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"}}},
    {2,
     {{"process", "7:memory:/m\n4:cpuacct,cpu:/a/b\n1:name=systemd:/s\n"},
      {"cpu/a/b/cpu.cfs_quota_us", "-1\n"},
      {"cpu/a/b/cpu.cfs_period_us", "100000\n"},
      {"cpu/a/cpu.cfs_quota_us", "200000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"}}},
    {INT_MAX,
     {{"process", "4:cpu:/a\n"},
      {"cpu/a/cpu.cfs_quota_us", "-1\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"}}},
    {INT_MAX, {{"process", "4:cpu:/a\n"}, {"cpu/a/cpu.cfs_quota_us", "100000\n"}}},
    {INT_MAX,
     {{"process", "4:cpu:/a\n"},
      {"cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"cpu/a/cpu.cfs_period_us", "garbage\n"}}},
    {INT_MAX,
     {{"process", "5:cpuset,cpuacct:/a\n"},
      {"cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"}}},
    {2, /* both hierarchies at once: the least of them */
     {{"process", "4:cpu:/a\n0::/b\n"},
      {"cpu/a/cpu.cfs_quota_us", "400000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"},
      {"b/cpu.max", "2 1\n"}}},
    {7, {{"process", "0::/with:colon\n"}, {"with:colon/cpu.max", "7 1\n"}}},
};

static int cgroup_cpus(void)
{
    char process[1024];
    snprintf(process, sizeof process, "%s/process", root);
    return parcel__port_cgroup_cpus(root, process);
}

static void make_root(void)
{
    strcpy(root + strlen(root) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

START_TEST(test_cgroup_quota)
{
    make_root();
    for (size_t i = 0; i < LENGTH(trees[_i].files) && trees[_i].files[i][0]; i++)
        write_file(trees[_i].files[i][0], trees[_i].files[i][1]);
    int cpus = cgroup_cpus();
    remove_root();
    ck_assert_int_eq(cpus, trees[_i].cpus);
}
END_TEST

static const struct {
    long long memory, kills;
    const char *files[8][2];
} memory_trees[] = {
    {1 << 20,
     LLONG_MAX,
     {{"process", "0::/a/b\n"}, {"a/b/memory.max", "max\n"}, {"a/memory.max", "1048576\n"}}},
    {LLONG_MAX, LLONG_MAX, {{"process", "0::/a\n"}, {"a/memory.max", "max\n"}}},
    {LLONG_MAX,
     3, /* the group's own; that above counts others too */
     {{"process", "0::/a/b\n"},
      {"a/memory.events", "low 0\noom 9\noom_kill 9\n"},
      {"a/b/memory.events", "low 0\nhigh 1\nmax 2\noom 4\noom_kill 3\noom_group_kill 8\n"}}},
    {8LL << 30,
     2,
     {{"process", "4:memory:/a\n0::/x\n"},
      {"memory/a/memory.limit_in_bytes", "8589934592\n"},
      {"memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}}},
    {LLONG_MAX,
     LLONG_MAX,
     {{"process", "4:memory:/a\n"},
      {"memory/a/memory.limit_in_bytes", "9223372036854771712\n"},
      {"memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"}}},
};

START_TEST(test_cgroup_memory)
{
    char process[1024];
    make_root();
    for (size_t i = 0; i < LENGTH(memory_trees[_i].files) && memory_trees[_i].files[i][0]; i++)
        write_file(memory_trees[_i].files[i][0], memory_trees[_i].files[i][1]);
    snprintf(process, sizeof process, "%s/process", root);
    long long memory = parcel__port_cgroup_memory(root, process);
    long long kills = parcel__port_cgroup_kills(root, process);
    remove_root();
    ck_assert_int_eq(memory, memory_trees[_i].memory);
    ck_assert_int_eq(kills, memory_trees[_i].kills);
}
END_TEST

START_TEST(test_memory_limit)
{
    struct rlimit space;
    long long limit = parcel__port_memory_limit();
    ck_assert_int_gt(limit, 0);
    ck_assert_int_le(limit, sysconf(_SC_PHYS_PAGES) * (long long)sysconf(_SC_PAGESIZE));
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &space), 0);
    rlim_t before = space.rlim_cur;
    space.rlim_cur = (rlim_t)limit - 1;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &space), 0);
    ck_assert_int_eq(parcel__port_memory_limit(), limit - 1);
    space.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &space), 0);
}
END_TEST

START_TEST(test_cgroup_path_too_long)
{
    static char line[2 * PATH_MAX];
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "0::/", 4);
    make_root();
    write_file("process", line);
    int cpus = cgroup_cpus();
    remove_root();
    ck_assert_int_eq(cpus, INT_MAX);
}
END_TEST

/* ---- counts ---- */

START_TEST(test_cpu_count)
{
    struct parcel__cpus cpus = parcel__port_cpus(0);
    ck_assert_int_ge(cpus.count, 1);
    ck_assert_int_le(cpus.count, parcel__port_online_cpus());
    ck_assert_int_le(cpus.count, parcel__port_affinity_cpus());
    ck_assert_int_ge(cpus.shared, cpus.count);
    ck_assert_int_ge(parcel__port_affinity_cpus(), 1);
}
END_TEST

/* What batch systems say: a host's cpus are for all of the job's processes there. */
static const struct {
    const char *name;
    const char *prefix;
    bool is_shared;
} limits[] = {{"OMP_THREAD_LIMIT", "", false},
              {"SLURM_CPUS_PER_TASK", "", false},
              {"SLURM_TRES_PER_TASK", "cpu=", false},
              {"SLURM_TRES_PER_TASK", "gres/gpu=2,cpu:", false},
              {"SLURM_CPUS_ON_NODE", "", true},
              {"PBS_NCPUS", "", true},
              {"NCPUS", "", true},
              {"LSB_DJOB_NUMPROC", "", true},
              {"NSLOTS", "", true}};

static void clear_limits(void)
{
    for (size_t i = 0; i < LENGTH(limits); i++)
        unsetenv(limits[i].name);
}

static struct parcel__cpus cpus_with(const char *name, const char *prefix, const char *number)
{
    char value[64];
    snprintf(value, sizeof value, "%s%s", prefix, number);
    setenv(name, value, 1);
    return parcel__port_cpus(1000); /* so many are not there: what is bound says the least */
}

START_TEST(test_cpu_count_is_limited)
{
    static const char *const not_limits[] = {"", "0", "-2", "1.5", "one", "1x", "99999999999"};
    clear_limits();
    struct parcel__cpus before = parcel__port_cpus(1000);
    struct parcel__cpus after = cpus_with(limits[_i].name, limits[_i].prefix, "1");
    ck_assert_int_eq(after.count, 1);
    ck_assert_int_eq(after.shared, limits[_i].is_shared ? 1 : before.shared);
    if (before.count > 1)
        ck_assert_str_eq(after.by, limits[_i].name);
    for (size_t i = 0; i < LENGTH(not_limits); i++) {
        after = cpus_with(limits[_i].name, limits[_i].prefix, not_limits[i]);
        ck_assert_int_eq(after.count, before.count);
        ck_assert_int_eq(after.shared, before.shared);
        ck_assert_str_eq(after.by, before.by);
    }
}
END_TEST

/* A list that names no cpus, and numbers above what there is, limit nothing. */
START_TEST(test_cpu_count_is_not_limited)
{
    static const char *const lists[] = {"gres/gpu=1", "cpus=1", "cpu", "cpu,=1", ",", "xcpu=1"};
    clear_limits();
    int before = parcel__port_cpus(0).count;
    for (size_t i = 0; i < LENGTH(lists); i++) {
        setenv("SLURM_TRES_PER_TASK", lists[i], 1);
        ck_assert_int_eq(parcel__port_cpus(0).count, before);
    }
    before = parcel__port_cpus(1000).count;
    for (size_t i = 0; i < LENGTH(limits); i++)
        ck_assert_int_eq(cpus_with(limits[i].name, limits[i].prefix, "100000").count, before);
}
END_TEST

/* What others start meanwhile lowers the limit, so only its bounds are sure. */
START_TEST(test_thread_limit)
{
    static const char *const variables[] = {"1", "2", "1000000", "none"};
    static const int most[] = {1, 2, INT_MAX, INT_MAX};
    for (size_t i = 0; i < LENGTH(variables); i++) {
        setenv("OMP_THREAD_LIMIT", variables[i], 1);
        ck_assert_int_ge(parcel__port_thread_limit(), 1);
        ck_assert_int_le(parcel__port_thread_limit(), most[i]);
    }
    unsetenv("OMP_THREAD_LIMIT");
}
END_TEST

/* ---- the rest ---- */

START_TEST(test_parse)
{
    static const struct {
        const char *text;
        bool is_number;
        long long number;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-7", true, -7},
        {" 7 ", true, 7},
        {"7\n", true, 7},
        {"+7", true, 7},
        {"007", true, 7},
        {"100", true, 100},
        {"-100", true, -100},
        {"101", false, 0},
        {"-101", false, 0},
        {"", false, 0},
        {" ", false, 0},
        {"x", false, 0},
        {"7x", false, 0},
        {"7 8", false, 0},
        {"7.0", false, 0},
        {"1e1", false, 0},
        {"0x7", false, 0},
        {"- 7", false, 0},
        {"--7", false, 0},
        {"7,2", false, 0},
        {"seven", false, 0},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        long long number = 42;
        bool parsed = parcel__port_parse(cases[i].text, -100, 100, &number);
        ck_assert_msg(parsed == cases[i].is_number, "'%s'", cases[i].text);
        ck_assert_int_eq(number, parsed ? cases[i].number : 42);
    }
}
END_TEST

START_TEST(test_parse_extremes)
{
    long long number;
    ck_assert(parcel__port_parse("9223372036854775807", LLONG_MIN, LLONG_MAX, &number));
    ck_assert_int_eq(number, LLONG_MAX);
    ck_assert(parcel__port_parse("-9223372036854775808", LLONG_MIN, LLONG_MAX, &number));
    ck_assert_int_eq(number, LLONG_MIN);
}
END_TEST

START_TEST(test_variable)
{
    setenv("PARCEL_TEST_VARIABLE", "text", 1);
    ck_assert_str_eq(parcel__port_variable("PARCEL_TEST_VARIABLE"), "text");
    setenv("PARCEL_TEST_VARIABLE", "", 1);
    ck_assert_ptr_null(parcel__port_variable("PARCEL_TEST_VARIABLE"));
    unsetenv("PARCEL_TEST_VARIABLE");
    ck_assert_ptr_null(parcel__port_variable("PARCEL_TEST_VARIABLE"));
}
END_TEST

START_TEST(test_pid)
{
    int status;
    ck_assert_int_eq(parcel__port_pid(), getpid());
    ck_assert_int_eq(parcel__port_pid(), getpid());
    pid_t child = fork();
    if (child == 0)
        _exit(parcel__port_pid() != getpid() || parcel__port_pid() != getpid());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_clock)
{
    double before = parcel__port_now();
    for (int i = 0; i < 1000; i++) {
        double now = parcel__port_now();
        ck_assert(now >= before);
        before = now;
    }
}
END_TEST

/* Ticks of two cpus may differ, so only many of them must have gone up. */
START_TEST(test_ticks)
{
    uint64_t before = parcel__port_ticks();
    parcel__port_sleep(2e-3);
    ck_assert_uint_gt(parcel__port_ticks(), before);
}
END_TEST

/* Nobody signals: the wait ends all the same, with the mutex held. */
START_TEST(test_wait)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    parcel__port_open_condition(&condition);
    pthread_mutex_lock(&mutex);
    parcel__port_wait(&condition, &mutex, 1e-3);
    ck_assert_int_ne(pthread_mutex_trylock(&mutex), 0);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&condition);
}
END_TEST

START_TEST(test_leaving_a_cpu)
{
    cpu_set_t before, after;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    int cpu = parcel__port_cpu();
    ck_assert(CPU_ISSET((size_t)cpu, &before));
    parcel__port_leave_cpu(cpu);
    parcel__port_leave_cpu(-1);
    parcel__port_leave_cpu(CPU_SETSIZE);
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

/* A thread that is bound to one cpu stays there. */
START_TEST(test_leaving_the_only_cpu)
{
    cpu_set_t before, one, after;
    int cpu = parcel__port_cpu();
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    int bound = parcel__port_cpu();
    parcel__port_leave_cpu(bound);
    ck_assert_int_eq(parcel__port_cpu(), bound);
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&one, &after));
    sched_setaffinity(0, sizeof before, &before);
}
END_TEST

START_TEST(test_map)
{
    static const size_t sizes[] = {1, 4096, 5 << 20};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        unsigned char *pages = parcel__port_map(sizes[i], i % 2 == 0);
        ck_assert_ptr_nonnull(pages);
        ck_assert_uint_eq(pages[0] | pages[sizes[i] / 2] | pages[sizes[i] - 1], 0);
        memset(pages, 1, sizes[i]);
        parcel__port_unmap(pages, sizes[i]);
    }
    ck_assert_ptr_null(parcel__port_map(SIZE_MAX / 2, false));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port");
    TCase *tests = suite_case(suite, "port");
    tcase_add_loop_test(tests, test_cgroup_quota, 0, LENGTH(trees));
    tcase_add_loop_test(tests, test_cgroup_memory, 0, LENGTH(memory_trees));
    tcase_add_test(tests, test_memory_limit);
    tcase_add_test(tests, test_cgroup_path_too_long);
    tcase_add_test(tests, test_cpu_count);
    tcase_add_loop_test(tests, test_cpu_count_is_limited, 0, (int)LENGTH(limits));
    tcase_add_test(tests, test_cpu_count_is_not_limited);
    tcase_add_test(tests, test_thread_limit);
    tcase_add_test(tests, test_parse);
    tcase_add_test(tests, test_parse_extremes);
    tcase_add_test(tests, test_variable);
    tcase_add_test(tests, test_pid);
    tcase_add_test(tests, test_clock);
    tcase_add_test(tests, test_ticks);
    tcase_add_test(tests, test_wait);
    tcase_add_test(tests, test_leaving_a_cpu);
    tcase_add_test(tests, test_leaving_the_only_cpu);
    tcase_add_test(tests, test_map);
    return suite_run(suite);
}
