//! Each entity has one text.

use proptest::prelude::*;

use super::*;

fn entity(text: &str) -> Entity {
    text.parse().unwrap()
}

#[test]
fn each_kind_has_its_text() {
    for text in [
        "global",
        "organization:acme",
        "team:a/b",
        "team_member:a%2Fb/c/d",
        "user:eve@example.com",
        "key:88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "end_user:100%25 %3F",
        "tag:env:prod",
        "provider:openai",
        "model:openai/gpt-4o",
        "session:1",
        "key:88dc?model=anthropic/claude",
    ] {
        assert_eq!(entity(text).to_string(), text);
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(serde_json::from_str::<Entity>(&json).unwrap(), entity(text));
    }
    let member = entity("team_member:a%2Fb/c/d");
    assert_eq!((member.team(), member.id()), (Some("a/b"), Some("c/d")));
    assert_eq!(entity("key:k?model=m").model(), Some("m"));
}

#[test]
fn what_is_not_exactly_one_is_refused() {
    let long = format!("user:{}", "x".repeat(ID_MAX + 1));
    for text in [
        "",
        "globe",
        "global:",
        "global:x",
        "user",
        "user:",
        "user:a?b",
        "user:%61",
        "user:%2f",
        "user:%",
        "user:%3f",
        "user:a\nb",
        "team_member:a",
        "team_member:/a",
        "team_member:a/",
        "tag:x?model=m",
        "global?model=m",
        "key:k?model=",
        "key:k?model=m?model=n",
        &long,
    ] {
        assert!(text.parse::<Entity>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_text_reads_back_and_no_two_share_one(
        parts in prop::collection::vec("[a%/?:é=]{1,4}", 6),
        shapes in (0_usize..3, 0_usize..3),
    ) {
        let of = |shape: usize, parts: &[String]| {
            let [one, two, model] = [0, 1, 2].map(|at| parts[at].parse::<EntityId>().unwrap());
            match shape {
                0 => Entity::team_member(one, two),
                1 => Entity::of(EntityKind::Key, one).unwrap(),
                _ => Entity::of(EntityKind::Key, one).unwrap().within_model(model).unwrap(),
            }
        };
        let (first, second) = (of(shapes.0, &parts[..3]), of(shapes.1, &parts[3..]));
        prop_assert_eq!(&entity(&first.to_string()), &first);
        prop_assert_eq!(first == second, first.to_string() == second.to_string());
    }
}
