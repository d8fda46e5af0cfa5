/** The registry does not answer, or not with what it must have: wait and ask again. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
}

/** The registry answers that it has no schema of this id, or none that is Avro. */
export class UnknownSchemaError extends Error {
  override readonly name = 'UnknownSchemaError'
}

/** The registry refuses our schema or our requests for good. A person must look. */
export class SchemaRefusedError extends Error {
  override readonly name = 'SchemaRefusedError'
}
