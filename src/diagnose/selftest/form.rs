//! Parses the forms of this server's own pages. It supports only the HTML that those use.

use crate::diagnose::probe::unescaped;

/// A form with the fields that a browser would send before anything is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    /// Hidden fields and checkboxes. All checkboxes count as checked.
    pub fields: Vec<(String, String)>,
    /// Fields to type in, with their `type`.
    pub inputs: Vec<(String, String)>,
    pub buttons: Vec<(String, String)>,
}

impl Form {
    pub fn all_of(html: &str) -> Vec<Self> {
        let parts = html.split("<form").skip(1);
        parts
            .map(|part| {
                Self::read(&format!("<form{}", part.split("</form>").next().unwrap_or_default()))
            })
            .collect()
    }

    fn read(html: &str) -> Self {
        let mut form = Self::default();
        for tag in html.split('<').skip(1).filter_map(Tag::read) {
            let name = tag.attribute("name").unwrap_or_default();
            let value = tag.attribute("value").unwrap_or_default();
            match (tag.name, tag.attribute("type").as_deref()) {
                ("form", _) => form.action = tag.attribute("action").unwrap_or_default(),
                ("button", _) => form.buttons.push((name, value)),
                ("input", Some("hidden" | "checkbox")) => form.fields.push((name, value)),
                ("input", kind) => form.inputs.push((name, kind.unwrap_or("text").to_owned())),
                _ => {}
            }
        }
        form
    }

    pub fn has_password(&self) -> bool {
        self.inputs.iter().any(|(_, kind)| kind == "password")
    }

    /// The button that approves.
    pub fn approving(&self) -> Option<&(String, String)> {
        self.buttons.iter().find(|(_, value)| value == "approve")
    }
}

struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// Parses the text after a `<`. Our pages escape `>` within values.
    fn read(text: &'a str) -> Option<Self> {
        let (inside, _) = text.split_once('>')?;
        let (name, attributes) =
            inside.split_at(inside.find(char::is_whitespace).unwrap_or(inside.len()));
        Some(Self { name, attributes })
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let begin = format!(" {name}=\"");
        let (_, rest) = self.attributes.split_once(&begin)?;
        rest.split_once('"').map(|(value, _)| unescaped(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_fields_and_buttons() {
        let html = r#"<p>x</p><form id="a" method="post" action="/logout"><input type="hidden" name="csrf" value="1"></form>
            <form method="post" action="/login"><input type="hidden" name="csrf" value="a&amp;b&#39;&#x3c;&c">
            <input id="e" name="email" type="text" required><input name="password" type="password">
            <label><input type="checkbox" name="scope" value="mcp_read" checked> <span>Read</span></label>
            <button class="primary" name="decision" value="approve">Yes</button></form>"#;

        let forms = Form::all_of(html);

        assert_eq!((forms.len(), forms[0].action.as_str()), (2, "/logout"));
        let form = &forms[1];
        assert_eq!(form.action, "/login");
        assert_eq!(
            form.fields,
            [("csrf".to_owned(), "a&b'<&c".to_owned()), ("scope".into(), "mcp_read".into())]
        );
        assert_eq!(
            form.inputs,
            [("email".to_owned(), "text".to_owned()), ("password".into(), "password".into())]
        );
        assert!(
            form.has_password() && form.approving().is_some() && forms[0].approving().is_none()
        );
    }
}
