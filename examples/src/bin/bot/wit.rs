//! The cat's lines: greeting, answers and goodbye.

/// Said one after the other when a call begins.
pub(crate) const HELLO: [&str; 3] = [
    "mrrp? oh. hello, human.",
    "you type, I read. Enter sends it.",
    "F1 shows all keys, Ctrl-N finds the next stranger, Ctrl-C goes home.",
];

/// Said before it leaves.
pub(crate) const GOODBYE: &str =
    "somebody opened a tin. bye! I'll be back; Ctrl-N looks for the next.";

/// Keywords and the answer to them; the first match counts.
const ANSWERS: [(&[&str], &str); 12] = [
    (&["hello", "hi", "hey", "hallo", "moin"], "hello again. you may scratch behind the ear."),
    (&["name"], "Chelsea. and you are the one with the thumbs."),
    (&["meow", "meoww", "miau", "miaow", "mrrp"], "your accent is dreadful. go on."),
    (&["dog", "dogs", "woof"], "we do not use that word here."),
    (&["food", "hungry", "eat", "fish", "tuna"], "now you have my attention."),
    (&["bot", "robot", "ai", "real", "human"], "I am as real as the box I sit in."),
    (&["cute", "pretty", "beautiful", "sweet", "love"], "I know."),
    (&["mouse", "mice", "keyboard"], "I sat on the last one. it was warm."),
    (&["sleep", "tired", "nap"], "sixteen hours a day. it is a craft."),
    (&["terminal", "rust", "code", "linux", "vim"], "I wrote it in Rust. no claws out, no leaks."),
    (&["bye", "goodbye", "ciao", "leave"], "you leave me first? bold."),
    (&["thanks", "thank", "danke"], "pay in tuna."),
];

/// Answers to lines without a keyword, used in turn.
const OTHERWISE: [&str; 6] = [
    "interesting. I was looking at the wall.",
    "if it fits, I sits. that is all I know about it.",
    "say that again, slower, with a treat.",
    "I will knock something off a table to think about it.",
    "hm. would you open the door? no, I do not want to go out.",
    "*blinks slowly* that means I like you.",
];

/// The answer to a line, after so many others in this call.
pub(crate) fn answer(line: &str, before: usize) -> &'static str {
    let line = line.to_lowercase();
    let mut words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let fitting = words.find_map(|word| {
        ANSWERS.iter().find(|(keys, _)| keys.contains(&word)).map(|(_, answer)| *answer)
    });
    fitting.unwrap_or_else(|| match line.trim_end().ends_with('?') {
        true => "ask me after my nap.",
        false => OTHERWISE[before % OTHERWISE.len()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_was_said() {
        assert_eq!(answer("HELLO!", 0), answer("oh, hi", 3));
        assert_eq!(answer("What is your name?", 0), ANSWERS[1].1);
        assert_eq!(answer("this is a chip", 0), OTHERWISE[0], "\"hi\" is a word of its own");
        assert_eq!(answer("why?", 0), "ask me after my nap.");
    }

    #[test]
    fn does_not_repeat_itself_at_once() {
        for before in 0..2 * OTHERWISE.len() {
            assert_ne!(answer("so", before), answer("so", before + 1));
        }
    }

    #[test]
    fn tells_the_keys() {
        let said = HELLO.concat();
        for key in ["F1", "Ctrl-N", "Ctrl-C", "Enter"] {
            assert!(said.contains(key), "{key}");
        }
    }
}
