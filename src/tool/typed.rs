use super::{Call, Tool, ToolError, ToolSpec};
use async_trait::async_trait;
use futures::future::BoxFuture;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The JSON Schema of a Rust type, inlined so that a model or an editor can read it alone.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

type Function = Box<dyn Fn(Call, Value) -> BoxFuture<'static, Result<Value, ToolError>> + Send + Sync>;

/// A tool built in Rust from a typed function; its schemas come from the types.
pub struct Typed {
    spec: ToolSpec,
    function: Function,
}

impl Typed {
    /// `spec.input` and `spec.output` are replaced by the schemas of `I` and `O`.
    pub fn new<I, O, F, Fut>(mut spec: ToolSpec, function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema,
        F: Fn(Call, I) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        spec.input = schema_of::<I>();
        spec.output = schema_of::<O>();
        let name = spec.name.clone();
        let function: Function = Box::new(move |call, input| {
            let (function, name) = (function.clone(), name.clone());
            Box::pin(async move {
                let input =
                    serde_json::from_value(input).map_err(|e| ToolError::invalid(format!("{name}: {e}")))?;
                let output = function(call, input).await?;
                serde_json::to_value(output)
                    .map_err(|e| ToolError::invalid(format!("{name} returned no JSON: {e}")))
            })
        });
        Self { spec, function }
    }
}

#[async_trait]
impl Tool for Typed {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        (self.function)(call.clone(), input).await
    }
}
