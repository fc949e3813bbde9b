/**
 * Standard Schema v1, https://standardschema.dev, as its authors mean it to be copied: what zod, valibot, arktype and
 * others have in common. Types only.
 */

/** A schema of any library that keeps to Standard Schema v1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaProps<Input, Output>
}

/** What a {@link StandardSchema} can do. */
export interface StandardSchemaProps<Input = unknown, Output = Input> {
  readonly version: 1
  /** The library that made it. */
  readonly vendor: string
  readonly validate: (value: unknown) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>
  /** For the compiler alone. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined
}

/** The output, or what is wrong. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] }

/** One thing that is wrong. */
export interface StandardSchemaIssue {
  /** May quote the value. */
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema makes of a value. */
export type StandardSchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']
