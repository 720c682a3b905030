/** Definitions with everything that a `.proto` can have, for tests of reflection. */

import protobuf from 'protobufjs';
import { loadRoot } from '../../lib/protobuf/index.ts';

/** proto3: optional, oneofs, maps, packing, aliases, reservations, nesting, recursion, well-known types. */
export const SHOP_PROTO = `
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
message Order {
  string item_name = 1;
  optional int32 gift_count = 2;
  oneof pay_by { string card_number = 3; Order trade_in = 4; }
  optional bool express = 5;
  map<string, Order> by_name = 6;
  map<int32, Color> color_of = 7;
  repeated int32 sizes = 8;
  repeated int32 loose_sizes = 9 [packed = false];
  Color color = 10 [deprecated = true];
  google.protobuf.Timestamp placed_at = 11;
  bytes label = 12 [json_name = "tag"];
  Part first_part = 13;
  message Part { sint64 weight = 1; Kind kind = 2; enum Kind { NONE = 0; BOLT = 1; } }
  reserved 20, 30 to 40, 1000 to max;
  reserved "old_name";
}
enum Color { option allow_alias = true; UNSET = 0; RED = 1; ROUGE = 1; BLUE = -2 [deprecated = true]; }
message Receipt { Order order = 1; double total = 2; }
service Counter {
  rpc Buy (Order) returns (Receipt);
  rpc Watch (Order) returns (stream Receipt);
  rpc Fill (stream Order) returns (Receipt) { option deprecated = true; }
  rpc Haggle (stream Order) returns (stream Order);
}
`;

/** proto2: required, defaults, groups, extensions in and outside of messages. */
export const LEGACY_PROTO = `
syntax = "proto2";
package legacy;
message Base {
  required string the_name = 1;
  optional int32 depth = 2 [default = -5];
  optional string greeting = 3 [default = "say \\"hi\\"\\n"];
  optional bytes raw = 4 [default = "\\001a\\\\"];
  optional float most = 5 [default = inf];
  optional Mood mood = 6 [default = GRUMPY];
  optional bool on = 7 [default = true];
  repeated int32 packed_ones = 8 [packed = true];
  repeated int32 loose_ones = 9;
  repeated group Entry = 10 { optional string key_text = 1; }
  extensions 100 to 199, 500 to max;
  extend Base { optional string inner_note = 101; }
}
enum Mood { HAPPY = 1; GRUMPY = 2; }
extend Base { optional Mood outer_mood = 100; repeated Base children = 150; }
service Old { rpc Do (Base) returns (Base); }
`;

/** Edition 2023: presence, closed enums, packing and delimited messages by features. */
export const EDITION_PROTO = `
edition = "2023";
package modern;
message Thing {
  string with_presence = 1;
  string without_presence = 2 [features.field_presence = IMPLICIT];
  repeated int32 packed_ones = 3;
  repeated int32 loose_ones = 4 [features.repeated_field_encoding = EXPANDED];
  Thing inner = 5 [features.message_encoding = DELIMITED];
  Shut shut = 6;
}
enum Shut { option features.enum_type = CLOSED; ONE = 1; }
service Things { rpc Get (Thing) returns (Thing); }
`;

/** Two packages that need each other, as JSON: no file names, and no way to make two files of them. */
export function circularRoot(): protobuf.Root {
  const root = new protobuf.Root();
  protobuf.parse(
    'syntax = "proto3"; package a; message One { b.Two two = 1; } message Alone { b.Leaf leaf = 1; } service S { rpc M (One) returns (Alone); }',
    root,
  );
  protobuf.parse(
    'syntax = "proto3"; package b; message Two { string x = 1; a.Three three = 2; } message Leaf {}',
    root,
  );
  protobuf.parse('syntax = "proto3"; package a; message Three { b.Leaf leaf = 1; }', root);
  return protobuf.Root.fromJSON(root.toJSON());
}

/** The Root of one of the texts. */
export function rootOf(text: string, filename = 'test.proto'): protobuf.Root {
  return loadRoot({ text, filename });
}
