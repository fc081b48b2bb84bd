//! The benchmark of calls, on a network that is made worse.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_call_is_measured_through_a_bad_network() {
    let bench = Command::new(env!("CARGO_BIN_EXE_call_bench"))
        .args(["--rounds", "1", "--duration", "4s", "--net", "near"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&bench.stderr);
    assert!(bench.status.success(), "{said}");
    let figures: Value = serde_json::from_slice(&bench.stdout).expect("JSON");
    let least = |name: &str| figures["figures"][name]["min"].as_f64().expect(name);
    // Each way takes 40 ms, and ICE measures there and back.
    assert!(least("glassToGlassP50Ms") >= 40.0, "{figures:#}");
    assert!(least("mouthToEarP50Ms") >= 40.0, "{figures:#}");
    assert!(least("rttMs") >= 80.0, "{figures:#}");
    // Each way carries 4 s of 50 packets of sound and 30 pictures a second, but for a slow machine.
    assert!(least("networkPackets") >= 200.0, "{figures:#}");
}
