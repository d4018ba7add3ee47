//! Calls of hey that are left to the program, which may not be there.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Why a command cannot be run: it calls hey, and no folder of `path` has that program. The engine has refused it before.
pub(crate) fn missing(command: &str, path: &OsStr) -> Option<String> {
    let is_call = command.split_whitespace().next() == Some("hey");
    let is_there = || std::env::split_paths(path).any(|folder| is_program(&folder.join("hey")));
    (is_call && !is_there()).then(|| {
        "hey is not installed here, and this call is none that the load tester makes itself: one program with one http address, no \
         pipes or variables, at least as many requests as workers, and none of the flags -D, -o and -x; change it, or add hey to the image"
            .to_owned()
    })
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_hey_is_refused_only_where_there_is_none() {
        let folder = std::env::temp_dir().join(format!("path-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), &folder]).unwrap();
        let refused = |command: &str| missing(command, &path).is_some();
        assert!(refused("hey -D body.json http://podinfo/") && refused(" hey http://podinfo/ | cat"));
        assert!(!refused("echo hey") && !refused("heyhey") && !refused(""));
        std::fs::write(folder.join("hey"), "").unwrap();
        assert!(refused("hey -o csv http://podinfo/"), "a file that cannot be run");
        std::fs::set_permissions(folder.join("hey"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(!refused("hey -o csv http://podinfo/"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
