import { TransformError } from '../errors.js'
import type { ValueEdit } from './edit-value.js'
import { ruleOf } from './rule-tree.js'

/** Values as they are, fields under the names that rules give them. */
export const newNames: ValueEdit<string> = {
  outside: value => value,
  withoutFields: value => value,
  nameOf: (name, nodes) => ruleOf(nodes) ?? name,
  refuseSecond: refuseSecondField,
}

/** Two fields of one name: nobody can say which one consumers mean, and dropping one would lose it in silence. */
export function refuseSecondField(): never {
  throw new TransformError('CDC_RENAME_CONFLICT', 'Expected rename to give a name that is free, got one in use', {
    hint: 'the document has fields of the old and of the new name; omit one of them before',
  })
}
