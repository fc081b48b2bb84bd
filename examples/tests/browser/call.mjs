// A call of Chromium with a stranger, for a test: `node call.mjs SERVER EMAIL PASSWORD`.
//
// The page comes from the server and does what a web front end would: it logs in, searches on /ws, and
// sends a camera (Chromium's made-up one) and a tone of 660 Hz and -23 dBFS. What happens is a line of
// JSON on standard output:
//
//   {"event":"searching"}
//   {"event":"matched","isInitiator":BOOLEAN}
//   {"event":"received","samples":[...],"frames":NUMBER}   several times a second: the newest samples of
//       the partner's sound, at 48 kHz, in -32768..=32768, and how many pictures were decoded so far
//   {"event":"failed","reason":TEXT}
//
// After a call it searches again; it ends when standard input does.
import { execFileSync } from 'node:child_process';

import { chromium } from 'playwright-core';

const [server, email, password] = process.argv.slice(2);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// Runs in the page.
async function call({ email, password }) {
    const login = await fetch('/api/auth/login', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
    });
    if (!login.ok) throw new Error(`login: ${login.status}`);

    const audio = new AudioContext({ sampleRate: 48000 });
    const tone = new OscillatorNode(audio, { frequency: 660 });
    const loudness = new GainNode(audio, { gain: 0.1 });
    const microphone = new MediaStreamAudioDestinationNode(audio, { channelCount: 1 });
    tone.connect(loudness).connect(microphone);
    tone.start();
    const camera = await navigator.mediaDevices.getUserMedia({ video: true });
    const stream = new MediaStream([...camera.getTracks(), ...microphone.stream.getTracks()]);

    const socket = new WebSocket(`ws://${location.host}/ws`);
    const send = (event, data) => socket.send(JSON.stringify({ event, data }));
    let peer, roomId, queue = Promise.resolve();

    function hear(track) {
        // Chromium gives a remote track's samples to nodes only while an element plays it.
        const element = new Audio();
        element.muted = true;
        element.srcObject = new MediaStream([track]);
        element.play();
        const analyser = new AnalyserNode(audio, { fftSize: 16384 });
        new MediaStreamAudioSourceNode(audio, { mediaStream: element.srcObject }).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        const from = peer;
        const watch = setInterval(async () => {
            if (from !== peer) return clearInterval(watch);
            analyser.getFloatTimeDomainData(samples);
            const stats = [...(await peer.getStats()).values()];
            const video = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
            const frames = video?.framesDecoded ?? 0;
            report({ event: 'received', samples: Array.from(samples, (s) => Math.round(s * 32768)), frames });
        }, 400);
    }

    function begin(isInitiator) {
        peer = new RTCPeerConnection();
        peer.onicecandidate = ({ candidate }) => candidate && send('ice-candidate', { roomId, candidate });
        peer.ontrack = ({ track }) => track.kind === 'audio' && hear(track);
        for (const track of stream.getTracks()) peer.addTrack(track, stream);
        if (isInitiator) {
            peer.createDataChannel('meoww');
            queue = queue.then(() => describe('offer'));
        }
    }

    async function describe(type) {
        await peer.setLocalDescription();
        send(type, { roomId, [type]: peer.localDescription });
    }

    async function handle(event, data) {
        switch (event) {
            case 'welcome': return send('search');
            case 'searching': return report({ event });
            case 'matched':
                roomId = data.roomId;
                begin(data.isInitiator);
                return report({ event, isInitiator: data.isInitiator });
            case 'offer':
                await peer.setRemoteDescription(data.offer);
                return describe('answer');
            case 'answer': return peer.setRemoteDescription(data.answer);
            case 'ice-candidate': return peer.addIceCandidate(data.candidate);
            case 'peer-disconnected':
                peer.close();
                return send('search');
            case 'error': throw new Error(data.message);
        }
    }

    socket.onmessage = ({ data: line }) => {
        const { event, data } = JSON.parse(line);
        queue = queue.then(() => handle(event, data));
        queue.catch((error) => report({ event: 'failed', reason: String(error) }));
    };
}

const browser = await chromium.launch({
    // The system's, as playwright-core brings none.
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: [
        '--allow-loopback-in-peer-connection',
        '--autoplay-policy=no-user-gesture-required',
        '--use-fake-device-for-media-stream',
        '--use-fake-ui-for-media-stream',
    ],
});
const page = await browser.newPage();
await page.exposeFunction('report', say);
page.on('pageerror', (error) => say({ event: 'failed', reason: String(error) }));
await page.goto(`${server}/health`);
try {
    await page.evaluate(call, { email, password });
} catch (error) {
    say({ event: 'failed', reason: String(error) });
}
process.stdin.resume().on('end', () => browser.close());
