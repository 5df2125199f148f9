// Two of glibc's own additions to posix_spawn(3) (2.29 and 2.34), which spawn.h hides from Swift's view of it.
#pragma once
#include <spawn.h>

int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
