import { ErrorCode } from '../../framing/constants.ts';
import { PREFACE, ping, settings, settingsAck, windowUpdate } from '../support/frame-factory.ts';
import { connectionError, expectEvents, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR } = ErrorCode;

await t.test('§3.4 a server reads the preface, then SETTINGS, then anything', async (t) => {
  expectEvents(
    t,
    [PREFACE, settings([3, 7]), settingsAck(), windowUpdate(0, 5)],
    [
      ['SETTING', 3, 7],
      ['SETTINGS_END', false],
      ['SETTINGS_END', true],
      ['WINDOW_UPDATE', 0, 5],
    ],
    {},
    true,
  );
});

await t.test('§3.4 a client reads SETTINGS first, without a preface', async (t) => {
  expectEvents(t, [settings()], [['SETTINGS_END', false]], { role: 'client' }, true);
  expectEvents(
    t,
    [PREFACE, settings()],
    [connectionError(PROTOCOL_ERROR, 'connection.first-frame-not-settings')],
    { role: 'client' },
    true,
  );
});

await t.test('§3.4 S41 each wrong preface octet is PROTOCOL_ERROR', async (t) => {
  for (let at = 0; at < PREFACE.length; at++) {
    const wrong = PREFACE.slice();
    wrong[at] = wrong[at]! ^ 0x20;
    const { reader, recorder } = startReading({}, true);
    // The octets before the wrong one are held back by nobody: no further octet is needed to see the fault.
    t.equal(reader.read(wrong, 0, at, recorder), at);
    t.throws(() => reader.read(wrong, at, at + 1, recorder), {
      errorCode: PROTOCOL_ERROR,
      token: 'connection.preface-invalid',
    });
  }
});

await t.test('§3.4 S41 an HTTP/1.1 request is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    ['GET / HTTP/1.1\r\nhost: a\r\n\r\n'],
    [connectionError(PROTOCOL_ERROR, 'connection.preface-invalid')],
    {},
    true,
  );
});

await t.test('§3.4 S41 a TLS ClientHello is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]],
    [connectionError(PROTOCOL_ERROR, 'connection.preface-invalid')],
    {},
    true,
  );
});

await t.test('§3.4 a client that hears HTTP/1.1 says so', async (t) => {
  expectEvents(
    t,
    ['HTTP/1.1 400 Bad Request\r\n\r\n'],
    [connectionError(PROTOCOL_ERROR, 'connection.peer-speaks-http1')],
    { role: 'client' },
    true,
  );
});

await t.test('§3.4 S41 a first frame that is not SETTINGS is PROTOCOL_ERROR', async (t) => {
  const error = connectionError(PROTOCOL_ERROR, 'connection.first-frame-not-settings');
  expectEvents(t, [PREFACE, ping('12345678'), settings()], [error], {}, true);
  expectEvents(t, [PREFACE, windowUpdate(0, 1)], [error], {}, true);
});

await t.test('§3.4 an acknowledgement is not the first SETTINGS', async (t) => {
  expectEvents(
    t,
    [settingsAck(), settings()],
    [connectionError(PROTOCOL_ERROR, 'connection.first-frame-not-settings')],
    { role: 'client' },
    true,
  );
});
