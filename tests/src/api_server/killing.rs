//! A control plane that is killed, and comes back with the data that it had.

use super::{ApiServer, end, etcd, kube_apiserver};

impl ApiServer {
    /// Ends kube-apiserver as `kill -9` does.
    pub fn kill_server(&mut self) {
        end(&mut self.server);
    }

    /// Ends etcd as `kill -9` does.
    pub fn kill_store(&mut self) {
        end(&mut self.etcd);
    }

    /// Starts whichever of the two does not run, on its former port and data; says how many it started.
    ///
    /// # Errors
    /// A program cannot be started.
    pub fn revive(&mut self) -> anyhow::Result<usize> {
        let mut started = 0;
        if self.etcd.try_wait()?.is_some() {
            self.etcd = etcd(&self.assets, &self.folder, self.ports)?;
            started += 1;
        }
        if self.server.try_wait()?.is_some() {
            self.server = kube_apiserver(&self.assets, &self.folder, self.ports, self.strict)?;
            started += 1;
        }
        Ok(started)
    }
}
