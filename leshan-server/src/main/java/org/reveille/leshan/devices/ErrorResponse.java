package org.reveille.leshan.devices;

import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownLinkRequestVisitorAdapter;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DeleteResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.core.response.SendableResponse;
import org.eclipse.leshan.core.response.WriteAttributesResponse;
import org.eclipse.leshan.core.response.WriteCompositeResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * Creates a response with an error code, of the class that a request requires. The library has such a visitor
 * (DefaultDownlinkReceiver.ErrorResponseCreator), but in 2.0.0-M18 it casts its response to the wrong class and throws.
 */
final class ErrorResponse extends DownLinkRequestVisitorAdapter {
    private final ResponseCode code;
    private final String text;
    private LwM2mResponse response;

    private ErrorResponse(ResponseCode code, String text) {
        this.code = code;
        this.text = text;
    }

    /**
     * Returns the response.
     *
     * @param text the diagnostic payload, or null
     */
    @SuppressWarnings("unchecked") // each visit method creates the response of the request's own class
    static <T extends LwM2mResponse> SendableResponse<T> of(
            DownlinkRequest<T> request, ResponseCode code, String text) {
        ErrorResponse refusal = new ErrorResponse(code, text);
        request.accept(refusal);
        return new SendableResponse<>((T) refusal.response);
    }

    @Override
    public void visit(ReadRequest request) {
        response = new ReadResponse(code, null, null, text);
    }

    @Override
    public void visit(DiscoverRequest request) {
        response = new DiscoverResponse(code, null, text);
    }

    @Override
    public void visit(WriteRequest request) {
        response = new WriteResponse(code, text);
    }

    @Override
    public void visit(WriteAttributesRequest request) {
        response = new WriteAttributesResponse(code, text);
    }

    @Override
    public void visit(ExecuteRequest request) {
        response = new ExecuteResponse(code, text);
    }

    @Override
    public void visit(CreateRequest request) {
        response = new CreateResponse(code, null, text);
    }

    @Override
    public void visit(DeleteRequest request) {
        response = new DeleteResponse(code, text);
    }

    @Override
    public void visit(ObserveRequest request) {
        response = new ObserveResponse(code, null, null, null, null, text);
    }

    @Override
    public void visit(ReadCompositeRequest request) {
        response = new ReadCompositeResponse(code, null, null, text, null);
    }

    @Override
    public void visit(ObserveCompositeRequest request) {
        response = new ObserveCompositeResponse(code, null, null, null, null, text, null);
    }

    @Override
    public void visit(WriteCompositeRequest request) {
        response = new WriteCompositeResponse(code, text, null);
    }
}
