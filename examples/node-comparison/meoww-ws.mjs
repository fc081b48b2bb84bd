// Meoww's JSON WebSocket: {"event":NAME,"data":{...}}; what belongs to a room names it.
import WebSocket from 'ws';

const RELAYED = new Set(['offer', 'answer', 'ice-candidate', 'send-message']);

export default function connect({ url, cookie, path = '/ws', timeoutMs = 20000, headers = {} }) {
    return new Promise((resolve, reject) => {
        const ws = new WebSocket(url.replace(/^http/, 'ws') + path,
            { perMessageDeflate: false, skipUTF8Validation: true, handshakeTimeout: timeoutMs, headers: { ...(cookie ? { cookie } : {}), ...headers } });
        let room = null, ready = false;
        const emit = (event, data) => ws.send(JSON.stringify({ event, data: RELAYED.has(event) ? { roomId: room, ...data } : data }));
        const conn = { raw: ws, id: null, on: null, closed: null, emit, close: () => ws.close() };
        ws.on('message', (buf) => {
            const { event, data } = JSON.parse(buf.toString());
            if (event === 'welcome') { ready = true; return resolve(conn); }
            if (event === 'matched') room = data.roomId;
            conn.on?.(event, data);
        });
        ws.on('error', reject);
        ws.on('close', (code) => { if (!ready) reject(new Error(`closed ${code}`)); conn.closed?.(code); });
    });
}
