// For `make test-tsan`: tells ThreadSanitizer about the contended half of Swift's Mutex.
//
// Mutex.withLock is emitted into our code, atomics and all, and ThreadSanitizer sees them. When the mutex is contended it
// calls _lockSlow and _unlockSlow of libswiftSynchronization, which is not instrumented: the futex hands the lock over in
// the kernel, and every access behind a contended lock looks like a race. Preloaded, these two stand before the library's
// and say what happens: released before the hand-over, acquired after it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

#define SWIFTCALL __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

typedef void SWIFTCALL (*LockSlow)(uint32_t thread, SELF);
typedef void SWIFTCALL (*UnlockSlow)(SELF);

SWIFTCALL void lockSlow(uint32_t thread, SELF) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
SWIFTCALL void unlockSlow(SELF) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");

SWIFTCALL void lockSlow(uint32_t thread, SELF) {
    static LockSlow real;
    if (!real) real = (LockSlow)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
    real(thread, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

SWIFTCALL void unlockSlow(SELF) {
    static UnlockSlow real;
    if (!real) real = (UnlockSlow)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
    if (__tsan_release) __tsan_release(self);
    real(self);
}
