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

/// As the table of the documentation is made.
#[test]
fn several_networks_are_rows_of_a_table() {
    let bench = Command::new(env!("CARGO_BIN_EXE_call_bench"))
        .args(["--rounds", "1", "--duration", "2s", "--net", "near,rate-300", "--table"])
        .output()
        .expect("it starts");
    assert!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));
    let table = String::from_utf8_lossy(&bench.stdout);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('|').collect()).collect();
    let [titles, _, near, narrow] = &rows[..] else { panic!("{table}") };
    assert!(rows.iter().all(|row| row.len() == titles.len()), "{table}");
    assert_eq!([near[1].trim(), narrow[1].trim()], ["near", "rate-300"]);
    // A median and the worst: of one call, both its sides.
    let drawn = titles.iter().position(|title| title.trim() == "drawn a second").expect("a title");
    let (median, worst) = near[drawn].trim().split_once(" (").expect("two figures");
    let worst = worst.trim_end_matches(')').parse::<f64>().expect("a number");
    assert!(worst <= median.parse().expect("a number"), "{table}");
    assert!(near.contains(&" 0 of 1 "), "{table}");
}
