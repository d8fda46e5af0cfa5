/** The registry does not answer, or answers something unexpected. Wait and retry. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
}

/** The registry has no schema with this id, or its schema is not Avro. */
export class UnknownSchemaError extends Error {
  override readonly name = 'UnknownSchemaError'
}

/** The registry rejects our schema or our requests permanently. An operator has to act. */
export class SchemaRefusedError extends Error {
  override readonly name = 'SchemaRefusedError'
}
