// One Socket.IO client for a program that speaks no JavaScript: a line of JSON on standard input is
// something to do, a line on standard output something that happened.
//
// Its argument is the package of the client, in one of the versions of package.json.
//
//   in:  {"connect": URL, "options": {...}}   once, first
//        {"emit": NAME, "args": [...]}        with "ack": true, the answer is printed
//                                             with "bytes": true, its argument is binary
//        {"packet": TEXT}                     a Socket.IO packet as it is
//        {"disconnect": true}
//   out: {"on": NAME, "args": [...]}          every event, and "connect", "connect_error",
//                                             "disconnect", "upgrade" and "ack" likewise
import { createInterface } from 'node:readline';

const { io } = await import(process.argv[2] ?? 'socket.io-client');
const happened = (on, ...args) => process.stdout.write(`${JSON.stringify({ on, args })}\n`);
let socket;

function connect(url, options) {
    socket = io(url, options);
    socket.onAny(happened);
    socket.on('connect', () => happened('connect'));
    socket.io.on('open', () => {
        socket.io.engine.on('upgrade', (transport) => happened('upgrade', transport.name));
    });
    socket.on('connect_error', (error) => happened('connect_error', error.message));
    socket.on('disconnect', (reason) => happened('disconnect', reason));
}

for await (const line of createInterface({ input: process.stdin })) {
    const { connect: url, options, emit, bytes, args = [], ack, packet, disconnect } = JSON.parse(line);
    if (bytes) args.push(Buffer.from([1, 2, 3]));
    if (url) connect(url, options);
    if (emit && ack) socket.emit(emit, ...args, (...answer) => happened('ack', ...answer));
    else if (emit) socket.emit(emit, ...args);
    if (packet) socket.io.engine.write(packet);
    if (disconnect) socket.disconnect();
}
process.exit();
