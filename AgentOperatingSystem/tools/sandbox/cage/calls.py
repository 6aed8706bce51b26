"""The system calls that a program may make, with their numbers; every other one is refused.

What Python needs to compute, to keep time, to run threads and to handle files below its own root. Not here, so refused:
starting a process or a program, anything about mounts, namespaces, users, keys, tracing, other processes' memory,
kernel modules, eBPF, perf, io_uring, userfaultfd, shared memory and message queues, extended attributes' change,
device nodes, and the machine's load and clock. Numbers: the kernel's asm/unistd_64.h (x86_64) and
asm-generic/unistd.h (aarch64); `-` where the machine has no such call.
"""

_TABLE = """
files:      read 0 63; write 1 64; open 2 -; close 3 57; stat 4 -; fstat 5 80; lstat 6 -; lseek 8 62; pread64 17 67;
            pwrite64 18 68; readv 19 65; writev 20 66; access 21 -; preadv 295 69; pwritev 296 70; preadv2 327 286;
            pwritev2 328 287; openat 257 56; openat2 437 437; newfstatat 262 79; statx 332 291; statfs 137 43;
            fstatfs 138 44; faccessat 269 48; faccessat2 439 439; dup 32 23; dup2 33 -; dup3 292 24; fcntl 72 25;
            flock 73 32; fsync 74 82; fdatasync 75 83; truncate 76 45; ftruncate 77 46; fallocate 285 47;
            fadvise64 221 223; getdents 78 -; getdents64 217 61; getcwd 79 17; chdir 80 49; fchdir 81 50; rename 82 -;
            renameat 264 38; renameat2 316 276; mkdir 83 -; mkdirat 258 34; rmdir 84 -; creat 85 -; link 86 -;
            linkat 265 37; unlink 87 -; unlinkat 263 35; symlink 88 -; symlinkat 266 36; readlink 89 -;
            readlinkat 267 78; chmod 90 -; fchmod 91 52; fchmodat 268 53; umask 95 166; utimensat 280 88; utimes 235 -;
            futimesat 261 -; utime 132 -; copy_file_range 326 285; sendfile 40 71; close_range 436 436;
            getxattr 191 8; lgetxattr 192 9; fgetxattr 193 10; listxattr 194 11; llistxattr 195 12; flistxattr 196 13
waiting:    poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create 213 -; epoll_create1 291 20;
            epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441; epoll_ctl 233 21; eventfd 284 -;
            eventfd2 290 19; timerfd_create 283 85; timerfd_settime 286 86; timerfd_gettime 287 87; signalfd4 289 74;
            pipe 22 -; pipe2 293 59; pause 34 -; nanosleep 35 101; clock_nanosleep 230 115; futex 202 98;
            restart_syscall 219 128; wait4 61 260; waitid 247 95
sockets:    connect 42 203; accept 43 202; accept4 288 242; sendto 44 206; recvfrom 45 207; sendmsg 46 211;
            recvmsg 47 212; sendmmsg 307 269; recvmmsg 299 243; shutdown 48 210; bind 49 200; listen 50 201;
            getsockname 51 204; getpeername 52 205; setsockopt 54 208; getsockopt 55 209
memory:     mmap 9 222; mprotect 10 226; munmap 11 215; brk 12 214; mremap 25 216; msync 26 227; madvise 28 233;
            membarrier 324 283
signals:    rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136;
            rt_sigtimedwait 128 137; rt_sigsuspend 130 133; sigaltstack 131 132; kill 62 129; tkill 200 130;
            tgkill 234 131; getitimer 36 102; setitimer 38 103; alarm 37 -
time:       gettimeofday 96 169; clock_gettime 228 113; clock_getres 229 114; time 201 -; times 100 153
itself:     exit 60 93; exit_group 231 94; sched_yield 24 124; getpid 39 172; gettid 186 178; getppid 110 173;
            getpgrp 111 -; getpgid 121 155; getsid 124 156; getuid 102 174; geteuid 107 175; getgid 104 176;
            getegid 108 177; getresuid 118 148; getresgid 120 150; getgroups 115 158; capget 125 90; uname 63 160;
            arch_prctl 158 -; getrlimit 97 163; getrusage 98 165; getpriority 140 141;
            sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120;
            sched_get_priority_max 146 125; sched_get_priority_min 147 126; set_tid_address 218 96;
            set_robust_list 273 99; get_robust_list 274 100; getrandom 318 278; getcpu 309 168; rseq 334 293
"""
_WATCHED = "socket 41 198; socketpair 53 199; clone 56 220; ioctl 16 29; prctl 157 167; prlimit64 302 261"
MACHINES = ("x86_64", "aarch64")
UNKNOWN_FROM = 424
"""From here on the numbers are the same on all machines, and libraries try what is newer and fall back on ENOSYS."""


def numbers(machine: str) -> dict[str, int]:
    """The allowed calls of a machine, by name. Raises `ValueError` for a machine that is not listed."""
    rows = (line.partition(":")[2] or line for line in _TABLE.strip().splitlines())
    return _column(";".join(rows), machine)


def watched(machine: str) -> dict[str, int]:
    """The calls that are allowed with some arguments only."""
    return _column(_WATCHED, machine)


def _column(table: str, machine: str) -> dict[str, int]:
    column = MACHINES.index(machine) + 1
    cells = [row.split() for row in table.split(";") if row.strip()]
    return {row[0]: int(row[column]) for row in cells if row[column] != "-"}
