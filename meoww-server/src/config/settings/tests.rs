use super::*;

/// Every setting but the two of logging has a row in the table of the documentation, with its
/// names and default, and there is no other row.
#[test]
fn the_documentation_lists_every_setting() {
    let documentation = include_str!("../../../../docs/self-hosting.md");
    let table =
        documentation.split_once("| variable | in the file | default |").expect("a table").1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut documented = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let names = |cell: &str| {
            let quoted = cell.split('`').skip(1).step_by(2);
            quoted.map(|name| name.trim_start_matches("[limits] ").to_owned()).collect::<Vec<_>>()
        };
        let default = names(cells[3]).into_iter().next();
        for (env, key) in names(cells[1]).into_iter().zip(names(cells[2])) {
            documented.push((env, key, default.clone()));
        }
    }
    documented.sort();
    let mut defined: Vec<_> = all()
        .map(|setting| {
            let key = setting.key.trim_start_matches("limits.").to_owned();
            let default = match setting.key {
                // By the system and the user, as the text beside it says.
                "data_dir" => Some("$XDG_DATA_HOME/meoww-server".to_owned()),
                _ => setting.default.ok().map(str::to_owned),
            };
            (setting.env.to_owned(), key, default)
        })
        .collect();
    defined.sort();
    assert_eq!(documented, defined);
}

#[test]
fn the_template_sets_nothing_and_its_defaults_are_the_defaults() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("meoww.toml");
    let resolve = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let (config, data_dir) = (Some(path.clone()), Some("/data".into()));
        let flags = Flags { config, data_dir, ..Flags::default() };
        format!("{:?}", Config::resolve(flags, |_| None).expect("valid"))
    };
    let template = template();
    let mut said = String::new();
    let mut is_default = false;
    for line in template.lines() {
        match line.strip_prefix('#') {
            Some(setting) if is_default && !setting.starts_with(' ') => {
                said.push_str(setting);
            }
            _ => said.push_str(line),
        }
        said.push('\n');
        is_default = line == "# default:";
    }
    assert!(said.lines().any(|line| line.starts_with("listen")), "{said}");
    let nothing = format!("{:?}", Config::new("/data".into()));
    assert_eq!(resolve(&template), nothing);
    assert_eq!(resolve(&said), nothing);
}

#[test]
fn secrets_are_hidden_and_sources_named() {
    let env = |name: &str| match name {
        "TURN_SECRET" => Some("hunter2hunter2hunter2".to_owned()),
        "TURN_SERVER_URL" => Some("turn:relay.example".to_owned()),
        _ => None,
    };
    let flags = Flags { data_dir: Some("/data".into()), ..Flags::default() };
    let shown = in_force(flags, env).expect("valid");
    let of = |key| shown.iter().find(|one| one.setting == key).expect("shown");
    assert_eq!(
        (of("turn_secret").value.as_deref(), of("turn_secret").source),
        (Some("(hidden)"), "environment")
    );
    assert_eq!((of("data_dir").value.as_deref(), of("data_dir").source), (Some("/data"), "flag"));
    assert_eq!((of("listen").source, of("smtp_url").source), ("default", "not set"));
}
