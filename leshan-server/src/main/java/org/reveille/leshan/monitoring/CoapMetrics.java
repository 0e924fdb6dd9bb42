package org.reveille.leshan.monitoring;

import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.EmptyMessage;
import org.eclipse.californium.core.coap.Message;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.interceptors.MalformedMessageInterceptor;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.scandium.DtlsHealth;

/** Counts CoAP and DTLS errors, and handshakes. Californium calls it for every message and record. */
public final class CoapMetrics implements MalformedMessageInterceptor, DtlsHealth {
    private static final String ERRORS = "leshan.coap.errors";
    private static final String ABOUT_ERRORS = "CoAP errors: responses of class 4 and 5 by code, RST, and "
            + "messages that cannot be parsed";
    private static final String HANDSHAKES = "leshan.dtls.handshakes";
    private static final String ABOUT_HANDSHAKES = "DTLS handshakes by their result";
    private static final String DROPPED = "leshan.dtls.dropped.records";
    private static final String ABOUT_DROPPED = "DTLS records that were dropped";

    private final Metrics metrics;

    public CoapMetrics(Metrics metrics) {
        this.metrics = metrics;
    }

    @Override
    public void sendResponse(Response response) {
        countError("sent", response);
    }

    @Override
    public void receiveResponse(Response response) {
        countError("received", response);
    }

    @Override
    public void sendEmptyMessage(EmptyMessage message) {
        countReset("sent", message);
    }

    @Override
    public void receiveEmptyMessage(EmptyMessage message) {
        countReset("received", message);
    }

    @Override
    public void receivedMalformedMessage(RawData message) {
        error("received", "MALFORMED");
    }

    private void countError(String direction, Response response) {
        if (response.isError()) {
            error(direction, response.getCode().text);
        }
    }

    private void countReset(String direction, Message message) {
        if (message.getType() == CoAP.Type.RST) {
            error(direction, "RST");
        }
    }

    private void error(String direction, String code) {
        metrics.count(ERRORS, ABOUT_ERRORS, "direction", direction, "code", code);
    }

    @Override
    public boolean isEnabled() {
        return true;
    }

    @Override
    public void startHandshake() {
        // Counted at its end.
    }

    @Override
    public void endHandshake(boolean success) {
        metrics.count(HANDSHAKES, ABOUT_HANDSHAKES, "result", success ? "succeeded" : "failed");
    }

    @Override
    public void receivingRecord(boolean drop) {
        if (drop) {
            metrics.count(DROPPED, ABOUT_DROPPED, "direction", "received");
        }
    }

    @Override
    public void sendingRecord(boolean drop) {
        if (drop) {
            metrics.count(DROPPED, ABOUT_DROPPED, "direction", "sent");
        }
    }

    @Override
    public void receivingMacError() {
        metrics.count("leshan.dtls.mac.errors", "DTLS records whose message authentication code is wrong");
    }

    @Override
    public void setConnections(int count) {
        metrics.set("leshan.dtls.connections", "DTLS connections, those of silent devices included", count);
    }

    @Override
    public void setMaxConnections(int max) {
        metrics.set("leshan.dtls.connections.limit", "Maximum number of DTLS connections", max);
    }

    @Override
    public void setPendingIncomingJobs(int count) {
        // Not useful for operators of the server.
    }

    @Override
    public void setPendingOutgoingJobs(int count) {
        // Not useful for operators of the server.
    }

    @Override
    public void setPendingHandshakeJobs(int count) {
        // Not useful for operators of the server.
    }

    @Override
    public void applicationAuthorizationRejected(boolean rejected) {
        // This server does not use it.
    }

    @Override
    public void dump() {
        // For logs, which contain none of this.
    }
}
