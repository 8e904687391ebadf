//! A real browser that looks at a page and clicks on it: Chromium over the pipe of its DevTools
//! protocol. Its network is the loopback address and its profile goes with the value. It does not outlive
//! the thread that started it.

use crate::process::bound;
use crate::{Place, wait_until};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A cold start on a busy machine; an answer takes milliseconds.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

/// The pipe is on descriptors 3 and 4; the shell puts them there.
const START: &str = r#"exec "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1"#;

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    _place: Place,
}

impl Browser {
    /// Starts a browser with an empty page.
    pub fn start(chromium: &Path) -> Result<Self> {
        let place = Place::new()?;
        let mut call = Command::new("sh");
        call.args(["-c", START])
            .arg(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--no-first-run", "--mute-audio"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", place.path().display()))
            // It leaves folders there when it is killed.
            .env("TMPDIR", place.path());
        let mut child = bound(call)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the browser")?;
        let orders = child.stdin.take().expect("stdin is piped above");
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped above"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while said.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            orders,
            answers,
            session: None,
            sent: 0,
            _place: place,
        };
        let page = browser.order("Target.createTarget", json!({ "url": "about:blank" }))?;
        let page = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.order("Target.attachToTarget", page)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(browser)
    }

    /// Goes to an address.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.order("Page.navigate", json!({ "url": url }))?;
        match answer.get("errorText") {
            Some(error) => bail!("{url}: {error}"),
            None => Ok(()),
        }
    }

    /// Runs a script in every page from now on, before the page's own.
    pub fn prepare(&mut self, script: &str) -> Result<()> {
        let script = json!({ "source": script });
        // Without it the browser takes the script and runs it in no page.
        self.order("Page.enable", json!({}))?;
        self.order("Page.addScriptToEvaluateOnNewDocument", script)?;
        Ok(())
    }

    /// Gives the page the width of another screen, in CSS pixels.
    pub fn narrow(&mut self, width: u32) -> Result<()> {
        let screen =
            json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false });
        self.order("Emulation.setDeviceMetricsOverride", screen)?;
        Ok(())
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true, "userGesture": true });
        let answer = self.order("Runtime.evaluate", ask)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression in the page is true. One that throws is not true yet: the page may
    /// still be loading.
    pub fn wait_for(&mut self, expression: &str, bound: Duration) -> Result<()> {
        let waited = wait_until(expression, bound, || {
            let guarded = format!(
                "(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
            );
            Ok((self.value(&guarded)? == true).then_some(()))
        });
        waited.with_context(|| {
            let shown = self.value("document.body?.innerText");
            format!("the page shows {shown:?}")
        })
    }

    fn order(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.sent += 1;
        let mut order = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&order)?;
        bytes.push(0);
        self.orders.write_all(&bytes).context("tell the browser")?;
        loop {
            let answer = self.answers.recv_timeout(ANSWER_BOUND);
            let mut answer = answer.with_context(|| format!("{method} had no answer"))?;
            if answer["id"] != self.sent {
                continue;
            }
            if let Some(error) = answer.get("error") {
                bail!("{method}: {error}");
            }
            return Ok(answer["result"].take());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A process that was reaped has given its id back, and the id may be another's by now.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
