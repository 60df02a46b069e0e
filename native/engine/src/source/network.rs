//! Which files live on a network file system, where faulting pages in one by one is tens of times slower than reading.

use std::fs::File;

/// Whether `file` is on a network or user-space file system. Unknown counts as local.
#[cfg(target_os = "linux")]
pub fn is_remote(file: &File) -> bool {
    use std::os::fd::AsRawFd;
    // `statfs(2)` and linux/magic.h: NFS, SMB, CIFS, SMB2, FUSE (sshfs, s3fs …), 9p (WSL, VMs), Ceph, AFS, Lustre, vboxsf.
    const REMOTE: [u32; 10] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x5346_414f,
        0x0bd0_0bd0,
        0x786f_4256,
    ];
    // SAFETY: `statfs` is plain data, and the call writes it when it succeeds.
    let kind = unsafe {
        let mut answer: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(file.as_raw_fd(), &raw mut answer) != 0 {
            return false;
        }
        answer.f_type
    };
    REMOTE.contains(&(kind as u32))
}

/// Whether `file` is on a network or user-space file system. Unknown counts as local.
#[cfg(target_os = "macos")]
pub fn is_remote(file: &File) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: `statfs` is plain data, and the call writes it when it succeeds.
    unsafe {
        let mut answer: libc::statfs = std::mem::zeroed();
        libc::fstatfs(file.as_raw_fd(), &raw mut answer) == 0 && answer.f_flags & libc::MNT_LOCAL as u32 == 0
    }
}

/// Whether mapping should be avoided: on platforms where that cannot be told, always.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn is_remote(_file: &File) -> bool {
    true
}
