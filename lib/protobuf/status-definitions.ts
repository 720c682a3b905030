/** `google.rpc.Status` and the standard details of google/rpc/error_details.proto as data: names, numbers and types of their fields. */

import protobuf from 'protobufjs';

type Fields = Record<
  string,
  { readonly id: number; readonly type: string; readonly rule?: string }
>;

/** Fields numbered from 1 in the order given: `name: type`, repeated with `[]` behind the type. */
function fields(types: Readonly<Record<string, string>>): Fields {
  return Object.fromEntries(
    Object.entries(types).map(([name, type], index) => {
      const id = index + 1;
      return [
        name,
        type.endsWith('[]') ? { id, type: type.slice(0, -2), rule: 'repeated' } : { id, type },
      ];
    }),
  );
}

const DEFINITIONS: protobuf.INamespace = {
  nested: {
    'google.protobuf': {
      nested: {
        Any: { fields: { typeUrl: { id: 1, type: 'string' }, value: { id: 2, type: 'bytes' } } },
        Duration: { fields: fields({ seconds: 'int64', nanos: 'int32' }) },
      },
    },
    'google.rpc': {
      nested: {
        Status: {
          fields: fields({ code: 'int32', message: 'string', details: 'google.protobuf.Any[]' }),
        },
        ErrorInfo: {
          fields: {
            ...fields({ reason: 'string', domain: 'string' }),
            metadata: { id: 3, type: 'string', keyType: 'string' } as protobuf.IMapField,
          },
        },
        RetryInfo: { fields: fields({ retryDelay: 'google.protobuf.Duration' }) },
        DebugInfo: { fields: fields({ stackEntries: 'string[]', detail: 'string' }) },
        QuotaFailure: {
          fields: fields({ violations: 'Violation[]' }),
          nested: { Violation: { fields: fields({ subject: 'string', description: 'string' }) } },
        },
        PreconditionFailure: {
          fields: fields({ violations: 'Violation[]' }),
          nested: {
            Violation: {
              fields: fields({ type: 'string', subject: 'string', description: 'string' }),
            },
          },
        },
        BadRequest: {
          fields: fields({ fieldViolations: 'FieldViolation[]' }),
          nested: {
            FieldViolation: {
              fields: fields({
                field: 'string',
                description: 'string',
                reason: 'string',
                localizedMessage: 'LocalizedMessage',
              }),
            },
          },
        },
        RequestInfo: { fields: fields({ requestId: 'string', servingData: 'string' }) },
        ResourceInfo: {
          fields: fields({
            resourceType: 'string',
            resourceName: 'string',
            owner: 'string',
            description: 'string',
          }),
        },
        Help: {
          fields: fields({ links: 'Link[]' }),
          nested: { Link: { fields: fields({ description: 'string', url: 'string' }) } },
        },
        LocalizedMessage: { fields: fields({ locale: 'string', message: 'string' }) },
      },
    },
  },
};

let root: protobuf.Root | null = null;

/** The reflected type of a full name, such as `google.rpc.Status`. Made at the first use. */
export function statusType(name: string): protobuf.Type {
  if (root === null) {
    root = new protobuf.Root();
    for (const [space, definition] of Object.entries(DEFINITIONS.nested ?? {})) {
      const { nested = {} } = definition as protobuf.INamespace;
      root.define(space).addJSON(nested);
    }
    root.resolveAll();
  }
  return root.lookupType(name);
}
