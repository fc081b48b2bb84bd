//! Users of the Node.js backend, from the file that `mongoexport` wrote to their first login.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::PASSWORD,
    operator::{Operator, login},
};

/// Of `correct horse`, by libxcrypt at the cost the Node.js backend used.
const BCRYPT: &str = "$2b$10$GNS/.NoH3s9PN8Zww8TdW.f.3qjKpsFPo0BR7/YJfVjZ3hG9/.pee";

fn user(id: u32, name: &str) -> Value {
    let address = name.replace(' ', "-");
    json!({
        "_id": { "$oid": format!("65f0c0ffee65f0c0ff{id:06}") }, "name": name,
        "username": name, "email": format!("{address}@example.com"), "passwordHash": BCRYPT,
        "profileImage": "https://img.example/a.jpg", "isVerified": true,
        "refreshTokenHash": null, "createdAt": { "$date": "2024-03-01T12:00:00.000Z" }, "__v": 0
    })
}

#[tokio::test]
async fn users_of_the_node_backend_come_along_and_log_in() {
    come_along(Operator::new()).await;
}

#[tokio::test]
async fn users_of_the_node_backend_come_along_to_postgres() {
    come_along(Operator::with_postgres().await).await;
}

async fn come_along(operator: Operator) {
    let mut old = user(2, "bob");
    old["createdAt"] = json!({ "$date": { "$numberLong": "1700000000000" } });
    let mut bare = user(3, "cyd");
    let fields = bare.as_object_mut().expect("an object");
    for field in ["createdAt", "isVerified", "profileImage", "name"] {
        fields.remove(field);
    }
    let mut weak = user(5, "eve");
    weak["passwordHash"] = json!("plain");
    let mut slow = user(6, "fay");
    slow["passwordHash"] = json!(BCRYPT.replace("$10$", "$31$"));
    let twin = user(7, "ADA");
    let documents = [user(1, "ada"), old, bare, user(4, "no spaces"), weak, slow, twin];
    let mut lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    lines.push("{ half".into());
    let file = operator.path("users.json");
    std::fs::write(&file, lines.join("\n")).expect("written");

    let server = operator.server().await;
    let dry = operator.types(&["db", "import", "--mongo", "--dry-run", "--json", &file]).await;
    assert_eq!(dry.code, 9, "{}", dry.err);
    assert_eq!(operator.ask(&["stats"]).await["accounts"], 0);
    let said = operator.types(&["db", "import", "--mongo", "--json", &file]).await;
    assert_eq!((said.code, &said.out), (9, &dry.out));
    let report = &said.json()[0];
    assert_eq!(report["added"], json!({ "account": 3 }));
    let faulty: Vec<_> = report["faults"].as_array().expect("faults").iter().collect();
    let faulty: Vec<_> = faulty.iter().map(|fault| fault["line"].as_u64()).collect();
    assert_eq!(faulty, [4, 5, 6, 7, 8].map(Some));
    assert!(!said.out.contains("plain"), "no hash in a report: {}", said.out);

    let cyd = operator.ask(&["user", "show", "cyd"]).await;
    assert_eq!((&cyd["isVerified"], &cyd["name"]), (&json!(false), &json!("cyd")));
    assert_eq!(cyd["createdAt"], "2024-03-12T20:54:23.000Z");
    let bob = operator.ask(&["user", "show", "bob"]).await;
    assert_eq!(bob["createdAt"], "2023-11-14T22:13:20.000Z");
    let scheme = async || operator.ask(&["user", "show", "ada"]).await["passwordScheme"].clone();
    assert_eq!(scheme().await, "bcrypt");
    let wrong = login(&server, "ada@example.com", "wrong horse").await;
    assert_eq!((wrong.0, scheme().await), (StatusCode::UNAUTHORIZED, json!("bcrypt")));
    for _ in 0..2 {
        assert_eq!(login(&server, "ada@example.com", PASSWORD).await.0, StatusCode::OK);
        assert_eq!(scheme().await, "argon2id");
    }
    let array = Value::from(documents[..4].to_vec()).to_string();
    let rename = ["db", "import", "--mongo", "--merge", "--rename", "-"];
    let said = operator.types_with(&rename, &[], &array).await;
    assert!(said.code == 0 && said.out.contains("3 kept"), "{} {}", said.out, said.err);
    assert!(
        said.out.contains("no-spaces@example.com  username  no spaces  no_spaces"),
        "{}",
        said.out
    );
    server.stop().await;
}
