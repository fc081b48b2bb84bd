//! Multipart forms (RFC 7578) with a photo in them. Refusals speak as multer did.

use std::collections::HashMap;

use axum::{
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use meoww_proto::account::{PHOTO_FIELD, SignupRequest};

use super::{body::Body, error::Refusal};
use crate::photos::{MAX_UPLOAD_BYTES, Photos, Upload};

/// Bytes that are read at most: a photo, and all that may stand beside it.
const MAX_READ_BYTES: usize = MAX_UPLOAD_BYTES + MAX_PARTS * 2 * MAX_VALUE_BYTES;
const MAX_PARTS: usize = 16;
const MAX_NAME_BYTES: usize = 100;
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// A sign-up, and perhaps a photo with it.
pub(crate) struct SignupForm {
    pub(crate) request: SignupRequest,
    pub(crate) photo: Option<Upload>,
}

impl SignupForm {
    /// Reads a sign-up, as multipart where it says so.
    pub(crate) async fn read(request: Request, photos: &Photos) -> Result<Self, Refusal> {
        if !is_multipart(request.headers()) {
            let Body(request) = Body::from_request(request, &()).await?;
            return Ok(Self { request, photo: None });
        }
        let mut form = Form::read(request, photos).await?;
        let request = SignupRequest {
            name: form.text("name"),
            username: form.text("username"),
            email: form.text("email"),
            password: form.text("password"),
        };
        Ok(Self { request, photo: form.photo() })
    }
}

/// Reads a form that brings nothing but a photo.
pub(crate) async fn photo(request: Request, photos: &Photos) -> Result<Upload, Refusal> {
    if !is_multipart(request.headers()) {
        return Err(Refusal::NotMultipart);
    }
    let form = Form::read(request, photos).await?;
    form.photo().ok_or_else(|| Refusal::Invalid("profilePhoto is required".into()))
}

/// Whether a request brings a multipart form.
pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let start = kind.and_then(|kind| kind.get(.."multipart/".len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

/// The parts of a form, in whatever order they came.
struct Form {
    texts: HashMap<String, String>,
    photo: Option<Vec<u8>>,
    upload: Upload,
}

impl Form {
    async fn read(mut request: Request, photos: &Photos) -> Result<Self, Refusal> {
        let upload = photos.place()?;
        DefaultBodyLimit::max(MAX_READ_BYTES).apply(&mut request);
        let parts = Multipart::from_request(request, &()).await;
        let mut parts = parts.map_err(|_| malformed())?;
        let mut form = Self { texts: HashMap::new(), photo: None, upload };
        let mut count = 0;
        while let Some(mut part) = parts.next_field().await.map_err(broken)? {
            count += 1;
            if count > MAX_PARTS {
                return Err(upload_error("Too many parts"));
            }
            form.take(&mut part).await?;
        }
        Ok(form)
    }

    async fn take(&mut self, part: &mut Field<'_>) -> Result<(), Refusal> {
        let name = part.name().ok_or_else(|| upload_error("Field name missing"))?.to_owned();
        if name.len() > MAX_NAME_BYTES {
            return Err(upload_error("Field name too long"));
        }
        match part.file_name() {
            // What a browser sends for a file nobody chose.
            Some("") => Ok(()),
            Some(_) if name == PHOTO_FIELD && self.photo.is_none() => {
                self.photo = Some(read(part, MAX_UPLOAD_BYTES).await?.ok_or_else(too_large)?);
                Ok(())
            }
            Some(_) => Err(upload_error("Unexpected field")),
            None => {
                let value = read(part, MAX_VALUE_BYTES).await?;
                let value = value.ok_or_else(|| upload_error("Field value too long"))?;
                let value = String::from_utf8(value).map_err(|_| malformed())?;
                match self.texts.insert(name, value) {
                    None => Ok(()),
                    Some(_) => Err(malformed()),
                }
            }
        }
    }

    /// A field left out reads as an empty one, as in JSON.
    fn text(&mut self, name: &str) -> String {
        self.texts.remove(name).unwrap_or_default()
    }

    fn photo(self) -> Option<Upload> {
        let mut upload = self.upload;
        upload.bytes = self.photo?;
        Some(upload)
    }
}

/// The whole part, unless it has more than `bound` bytes.
async fn read(part: &mut Field<'_>, bound: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > bound {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn broken(error: MultipartError) -> Refusal {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => malformed(),
    }
}

fn too_large() -> Refusal {
    Refusal::Invalid("File too large. Maximum size is 5MB.".into())
}

fn malformed() -> Refusal {
    Refusal::Invalid("Malformed request body".into())
}

fn upload_error(what: &str) -> Refusal {
    Refusal::Invalid(format!("Upload error: {what}").into())
}
