/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a system call that a process has come to changes the state of the host, and what it is. x86-64 only. */
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "call.h"

#define TEXT_MAX 64

static void memory_read(pid_t pid, unsigned long long from, void *to, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)(uintptr_t)from, size };

	memset(to, 0, size);
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) > 0 || size <= 1)
		return;
	/* It may have ended at a page's border. */
	local.iov_len = remote.iov_len = 4096 - from % 4096;
	if (local.iov_len < size && process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0)
		memset(to, 0, size);
}

static void fd_path(pid_t pid, int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", pid, fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = '\0';
}

static void path_join(pid_t pid, int dir, unsigned long long name, char path[PATH_MAX])
{
	char text[256], base[PATH_MAX];

	memory_read(pid, name, text, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fd_path(pid, dir, base);
	if (*text == '/')
		base[0] = '\0';
	snprintf(path, PATH_MAX, "%.2000s%s%s", base, *text == '/' || !strcmp(base, "/") ? "" : "/", text);
	if (!strcmp(base, "/"))
		snprintf(path, PATH_MAX, "/%s", text);
}

/* A device, a file of ours, an attribute: not a pipe, a socket, or nothing. */
static bool path_counts(const char *path)
{
	return *path == '/' && strcmp(path, "/dev/null") != 0 && strcmp(path, "/dev/tty") != 0;
}

/* What is written, without what differs from run to run: of a line of state the verb and its first value. */
static void text_cut(char *text, bool state)
{
	char *p;

	if (state && strlen(text) > 9) {
		memmove(text, text + 9, strlen(text + 9) + 1);
		p = strchr(text, ' ');
		p = p ? strchr(p + 1, ' ') : NULL;
		if (p)
			*p = '\0';
	}
	for (p = text; *p; p++)
		if (*p == '\n' || *p < ' ') {
			*p = '\0';
			return;
		}
}

static bool write_describe(pid_t pid, const char *name, const struct user_regs_struct *r, char *call)
{
	char path[PATH_MAX], text[TEXT_MAX];

	fd_path(pid, (int)r->rdi, path);
	if (!path_counts(path))
		return false;
	memory_read(pid, r->rsi, text, r->rdx < sizeof(text) - 1 ? r->rdx : sizeof(text) - 1);
	text[r->rdx < sizeof(text) - 1 ? r->rdx : sizeof(text) - 1] = '\0';
	if (strlen(path) > 6 && !strcmp(strrchr(path, '\0') - 6, ".guard"))
		*text = '\0'; /* its pid */
	text_cut(text, !strncmp(path, "/run/pvebind/", 13));
	snprintf(call, CALL_MAX, "%s %.400s %s", name, path, text);
	return true;
}

static bool open_describe(pid_t pid, int dir, unsigned long long name, unsigned long long flags, char *call)
{
	char path[PATH_MAX];

	if (flags & O_PATH || ((flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC))))
		return false;
	path_join(pid, dir, name, path);
	if (!path_counts(path))
		return false;
	snprintf(call, CALL_MAX, "open %.400s %s", path, flags & O_CREAT ? "create" : "write");
	return true;
}

static bool path_describe(pid_t pid, const char *what, int dir, unsigned long long name, char *call)
{
	char path[PATH_MAX];

	path_join(pid, dir, name, path);
	snprintf(call, CALL_MAX, "%s %.400s", what, path);
	return true;
}

static bool fd_describe(pid_t pid, const char *what, int fd, unsigned long long number, char *call)
{
	char path[PATH_MAX];

	fd_path(pid, fd, path);
	snprintf(call, CALL_MAX, "%s %.400s %#llx", what, path, number);
	/* Of a device, even where it has no name of its own: "anon_inode:[vfio-device]". */
	return path_counts(path) || !strncmp(path, "anon_inode:[vfio", 16);
}

static bool name_describe(pid_t pid, const char *what, unsigned long long name, char *call)
{
	char text[TEXT_MAX];

	memory_read(pid, name, text, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	snprintf(call, CALL_MAX, "%s %s", what, text);
	return true;
}

/* Those that call_describe() knows, and has to be told of. The tracer is woken for no other: at each of the hook's some 700 entries and exits it
 * took two thirds of the time. */
static const unsigned told[] = {
	SYS_open, SYS_creat, SYS_openat2, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_ftruncate, SYS_rename,
	SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_mkdir, SYS_mkdirat, SYS_execve, SYS_ioctl,
	SYS_finit_module, SYS_init_module, SYS_delete_module, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3,
};
#define NUM_TOLD (sizeof(told) / sizeof(*told))

int call_filter(void)
{
	struct sock_filter filter[2 * NUM_TOLD + 8], *f = filter;
	const struct sock_filter tell = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
				 pass = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .filter = filter };

	*f++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < NUM_TOLD; i++) {
		*f++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, told[i], 0, 1);
		*f++ = tell;
	}
	/* openat, most of whose calls only read: its flags are in a register. openat2's lie in memory. */
	*f++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0);
	*f++ = pass;
	*f++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
	*f++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC, 0, 1);
	*f++ = tell;
	*f++ = pass;
	program.len = (unsigned short)(f - filter);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

bool call_describe(pid_t pid, const struct user_regs_struct *r, char call[CALL_MAX])
{
	struct open_how how;

	switch (r->orig_rax) {
	case SYS_open:
		return open_describe(pid, AT_FDCWD, r->rdi, r->rsi, call);
	case SYS_creat:
		return open_describe(pid, AT_FDCWD, r->rdi, O_WRONLY | O_CREAT, call);
	case SYS_openat:
		return open_describe(pid, (int)r->rdi, r->rsi, r->rdx, call);
	case SYS_openat2:
		memory_read(pid, r->rdx, &how, sizeof(how));
		return open_describe(pid, (int)r->rdi, r->rsi, how.flags, call);
	case SYS_write:
	case SYS_pwrite64:
		return write_describe(pid, "write", r, call);
	case SYS_writev:
	case SYS_pwritev:
		return fd_describe(pid, "writev", (int)r->rdi, r->rdx, call);
	case SYS_ftruncate:
		return fd_describe(pid, "truncate", (int)r->rdi, 0, call);
	case SYS_rename:
		return path_describe(pid, "rename", AT_FDCWD, r->rdi, call);
	case SYS_renameat:
	case SYS_renameat2:
		return path_describe(pid, "rename", (int)r->rdi, r->rsi, call);
	case SYS_unlink:
		return path_describe(pid, "unlink", AT_FDCWD, r->rdi, call);
	case SYS_unlinkat:
		return path_describe(pid, "unlink", (int)r->rdi, r->rsi, call);
	case SYS_mkdir:
		return path_describe(pid, "mkdir", AT_FDCWD, r->rdi, call);
	case SYS_mkdirat:
		return path_describe(pid, "mkdir", (int)r->rdi, r->rsi, call);
	case SYS_execve:
		return path_describe(pid, "exec", AT_FDCWD, r->rdi, call);
	case SYS_ioctl:
		return fd_describe(pid, "ioctl", (int)r->rdi, r->rsi, call);
	case SYS_finit_module:
		return fd_describe(pid, "load", (int)r->rdi, 0, call);
	case SYS_init_module:
		snprintf(call, CALL_MAX, "load a module");
		return true;
	case SYS_delete_module:
		return name_describe(pid, "unload", r->rdi, call);
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		snprintf(call, CALL_MAX, "fork");
		return true;
	default:
		return false;
	}
}
