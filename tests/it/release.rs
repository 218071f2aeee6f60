//! The bill of materials (SBOM) of a release, which `scripts/sbom` prints.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_sbom_describes_every_crate_in_the_binary() {
    let sbom = sbom();

    assert_eq!(sbom["bomFormat"], "CycloneDX");
    assert_eq!(sbom["specVersion"], "1.5");
    assert_eq!(sbom["metadata"]["component"]["name"], "grantor");
    assert_eq!(sbom["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let incomplete: Vec<&Value> =
        components(&sbom).iter().filter(|component| !is_complete(component)).collect();
    assert_eq!(incomplete, Vec::<&Value>::new());
    let scope = |name: &str| {
        let found = components(&sbom).iter().find(|component| component["name"] == name);
        found.map(|component| text(component, "scope"))
    };
    assert_eq!(scope("axum"), Some("required"));
    assert_eq!(
        scope("serde_derive"),
        Some("excluded"),
        "a procedural macro runs only during the build"
    );
    assert_eq!(scope("proptest"), None, "tests are not in the binary");
}

#[test]
fn the_sbom_lists_the_dependencies_of_each_component() {
    let sbom = sbom();

    let described = components(&sbom).iter().chain([&sbom["metadata"]["component"]]);
    let described: BTreeSet<&str> = described.map(|component| text(component, "bom-ref")).collect();
    let edges = sbom["dependencies"].as_array().expect("a list of dependencies");
    let from: BTreeSet<&str> = edges.iter().map(|edge| text(edge, "ref")).collect();
    let targets = edges.iter().filter_map(|edge| edge["dependsOn"].as_array()).flatten();
    let to: BTreeSet<&str> = targets.filter_map(Value::as_str).collect();

    assert_eq!(from, described);
    assert_eq!(to.difference(&described).collect::<Vec<_>>(), Vec::<&&str>::new());
}

fn sbom() -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sbom");
    let output = Command::new(script).output().expect("scripts/sbom starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn components(sbom: &Value) -> &[Value] {
    sbom["components"].as_array().expect("a list of components")
}

/// Only published crates have a checksum; those of this repository have none.
fn is_complete(component: &Value) -> bool {
    let is_published = text(component, "purl").starts_with("pkg:cargo/");
    let checksum = component["hashes"][0]["content"].as_str().unwrap_or_default();
    let license = component["licenses"][0]["expression"].as_str().unwrap_or_default();
    !text(component, "name").is_empty()
        && !text(component, "version").is_empty()
        && !license.is_empty()
        && (!is_published || checksum.len() == 64)
}

fn text<'a>(component: &'a Value, member: &str) -> &'a str {
    component[member].as_str().unwrap_or_else(|| panic!("no {member} in {component}"))
}
